// SPDX-License-Identifier: MIT
// One client that follows one build, from before its beginning to its end, through cuts, restarts and crashes.
import { BuildProducer, past, runCourse } from './course.mjs';
import { Cutter } from './cutter.mjs';
import { startHub } from './hub.mjs';

// `make(url)` gives the follower, of the build `b1`; `rows` are the disturbances; `websocket` is of the configuration.
export async function watchBuild(t, make, { reports, rows, websocket = {} }) {
  const hub = await startHub({ t, config: { websocket: { compression_threshold: 1, ...websocket } } });
  const cutter = await Cutter.start(t, hub);
  const follower = make(cutter.url).start(t);
  const build = new BuildProducer(hub, 'b1', reports);
  await runCourse({ hub, cutter, producers: [build], followers: [follower], total: reports, rows });
  return { follower, build, truth: await past(hub, 'job:b1') };
}

// The lines that were reported, as clients see them.
export const numbered = (build) => build.lines.map((line, i) => ({ line: i + 1, ...line }));
