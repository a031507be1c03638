// SPDX-License-Identifier: MIT
// Compiler attributes behind short names, so that the rest of the code reads as plain C11.
#ifndef CLAIRON_BASE_COMPILER_H
#define CLAIRON_BASE_COMPILER_H

#include <stddef.h>

#define MUST_CHECK                      __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args)          __attribute__((format(printf, fmt, args)))
#define NORETURN                        __attribute__((noreturn))
#define UNUSED                          __attribute__((unused))
#define LIKELY(x)                       __builtin_expect(!!(x), 1)
#define UNLIKELY(x)                     __builtin_expect(!!(x), 0)
#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

// Built with AddressSanitizer (gcc says it one way, clang another).
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED_ADDRESS
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED_ADDRESS
#endif
#endif

// Built with any sanitizer that watches memory or threads.
#if defined(SANITIZED_ADDRESS) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
