// SPDX-License-Identifier: MIT
// Intrusive doubly linked list with a sentinel. A node that is in no list points to itself.
#ifndef CLAIRON_BASE_LIST_H
#define CLAIRON_BASE_LIST_H

#include <stdbool.h>

#include "base/compiler.h"

struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert_before(struct list *pos, struct list *node)
{
    node->prev = pos->prev;
    node->next = pos;
    pos->prev->next = node;
    pos->prev = node;
}

static inline void list_push_back(struct list *head, struct list *node)
{
    list_insert_before(head, node);
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_insert_before(head->next, node);
}

// Takes a node out of whatever list it is in; safe to repeat.
static inline void list_del(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

static inline struct list *list_pop_front(struct list *head)
{
    if (list_empty(head)) {
        return NULL;
    }
    struct list *node = head->next;
    list_del(node);
    return node;
}

#define LIST_ENTRY(ptr, type, member) CONTAINER_OF(ptr, type, member)
// The current node may be deleted inside the loop.
#define LIST_FOREACH(node, head)                                                                   \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head);              \
         node = node##_next, node##_next = node->next)

#endif
