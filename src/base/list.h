/* An intrusive doubly linked list: the links live in the elements, all operations are O(1). */
#ifndef CQLUA_BASE_LIST_H
#define CQLUA_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev; /* the head of an empty list, and a link that is in no list, point to themselves */
};

static inline void list_init(struct list *list)
{
    list->next = list->prev = list;
}
static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}
static inline void list_append(struct list *list, struct list *link)
{
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}
static inline void list_prepend(struct list *list, struct list *link)
{
    list_append(list->next, link);
}
/* Out of whatever list it is in; harmless if in none. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}
/* The first link, taken out; NULL if the list is empty. */
static inline struct list *list_take(struct list *list)
{
    struct list *first = list->next;
    if (first == list) return NULL;
    list_remove(first);
    return first;
}

#endif
