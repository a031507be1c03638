// SPDX-License-Identifier: MIT
// The files of the repository as the rules see them: everything but what is built, installed or run.
import fs from 'node:fs';
import path from 'node:path';
import { REPO } from '../lib/paths.mjs';

const LEFT_OUT = /^(\.git|node_modules|data|build|build-.*)$/;

// All files below `root`, relative to it, sorted.
export function walk(root = REPO, folder = '') {
  return fs.readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) {
      return LEFT_OUT.test(entry.name) ? [] : walk(root, name);
    }
    return entry.isFile() && entry.name !== '.git' ? [name] : []; // a file in a linked work tree
  }).sort();
}

export function read(file, root = REPO) {
  return fs.readFileSync(path.join(root, file), 'utf8');
}

// C without its comments and the insides of its literals, with every line in its place.
export function codeOnly(text) {
  return text.replace(/\/\*[^]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, (match) => {
    const blank = match.replace(/[^\n]/g, ' ');
    return match[0] === '/' ? blank : match[0] + blank.slice(2) + match[0];
  });
}

export const isTest = (file) => /_test\.c$/.test(file);
export const folderOf = (file) => (file.startsWith('src/') ? file.split('/')[1] : file.split('/')[0]);
