/* Growing arrays of records. Nothing else. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* Room for `items` more records at the end; the caller fills them. */
void *list_add(list *l, size_t items)
{
    if (l->count + items > l->room) {
        l->room = (l->count + items) * 2;
        l->items = realloc(l->items, l->room * l->size);
        if (!l->items)
            abort();           /* out of memory in a test tool: there is nothing sensible left to do */
    }
    void *at = l->items + l->count * l->size;
    l->count += items;
    return at;
}

/* Drops the first `done` records. */
void list_forget(list *l, size_t done)
{
    l->count -= done;
    memmove(l->items, l->items + done * l->size, l->count * l->size);
}
