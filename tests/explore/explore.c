/* Every choice from every state, to a stated depth: the promises of monitor.c hold in all of them, or the way to the one
 * where they do not is printed.
 *
 *     explore depth D [WORLD]         breadth first from each world's beginning (or one's), states seen before left out
 *     explore merges SEED WALKS       are states that count as the same really the same? random walks, side by side
 *
 * Exit code 1: a promise was broken. Breadth first, so the way printed is a shortest one. */
#include "explore.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- states seen -------------------------------------------------------------------------------------------------- */

typedef struct {
    key_t128 *keys;
    uint64_t room, used; /* room: a power of two */
} seen_t;

static void *must(void *memory)
{
    if (!memory) {
        fprintf(stderr, "out of memory: choose a smaller depth\n");
        exit(2);
    }
    return memory;
}

static uint64_t place(const seen_t *s, key_t128 key)
{
    uint64_t at = key.a & (s->room - 1);
    while ((s->keys[at].a | s->keys[at].b) && (s->keys[at].a != key.a || s->keys[at].b != key.b))
        at = (at + 1) & (s->room - 1);
    return at;
}

static void grow(seen_t *s)
{
    seen_t larger = {must(calloc(s->room * 2, sizeof *s->keys)), s->room * 2, s->used};
    for (uint64_t i = 0; i < s->room; i++)
        if (s->keys[i].a | s->keys[i].b)
            larger.keys[place(&larger, s->keys[i])] = s->keys[i];
    free(s->keys);
    *s = larger;
}

/* True the first time. */
static bool first_seen(seen_t *s, key_t128 key)
{
    if (2 * s->used >= s->room)
        grow(s);
    uint64_t at = place(s, key);
    if (s->keys[at].a | s->keys[at].b)
        return false;
    s->keys[at] = key;
    s->used++;
    return true;
}

/* --- levels ------------------------------------------------------------------------------------------------------- */

typedef struct { /* how a state was reached */
    uint32_t from;
    uint8_t choice;
} way_t;

typedef struct {
    life_t *lives;
    uint32_t *ways;
    uint64_t used, room;
} level_t;

typedef struct {
    seen_t seen;
    way_t *ways;
    uint64_t ways_used, ways_room, transitions;
    uint32_t faults[8], armings, trials;
} search_t;

static uint32_t note_way(search_t *s, uint32_t from, int choice)
{
    if (s->ways_used == s->ways_room) {
        s->ways_room = s->ways_room ? 2 * s->ways_room : 1024;
        s->ways = must(realloc(s->ways, s->ways_room * sizeof *s->ways));
    }
    s->ways[s->ways_used] = (way_t){from, (uint8_t)choice};
    return (uint32_t)s->ways_used++;
}

static void keep(level_t *level, const life_t *life, uint32_t way)
{
    if (level->used == level->room) {
        level->room = level->room ? 2 * level->room : 256;
        level->lives = must(realloc(level->lives, level->room * sizeof *level->lives));
        level->ways = must(realloc(level->ways, level->room * sizeof *level->ways));
    }
    level->lives[level->used] = *life;
    level->ways[level->used++] = way;
}

static void print_way(const search_t *s, uint32_t way)
{
    if (!way)
        return;
    print_way(s, s->ways[way].from);
    printf("    %s\n", CHOICES[s->ways[way].choice]);
}

static int complain(const search_t *s, const world_t *world, uint32_t way)
{
    printf("broken in world \"%s\": %s; after\n", world->name, broken);
    print_way(s, way);
    return 1;
}

static void count(search_t *s, const life_t *before, const life_t *after)
{
    s->transitions++;
    for (int i = 0; i < 8; i++)
        s->faults[i] += after->faults[i] - before->faults[i];
    s->armings += after->armings - before->armings;
    s->trials += after->trials - before->trials;
}

/* All children of a level. The last level's states are judged and counted, but not kept. */
static int expand(search_t *s, const world_t *world, const level_t *level, level_t *next)
{
    static life_t life;
    for (uint64_t i = 0; i < level->used; i++)
        for (int choice = 0; choice < CHOICES_COUNT; choice++) {
            life = level->lives[i];
            if (!life_choose(&life, choice) && !broken)
                continue;
            count(s, &level->lives[i], &life);
            if (broken)
                return complain(s, world, note_way(s, level->ways[i], choice));
            if (first_seen(&s->seen, canon_key(&life)) && next)
                keep(next, &life, note_way(s, level->ways[i], choice));
        }
    return 0;
}

static int search(const world_t *world, int depth)
{
    search_t s = {.seen = {must(calloc(1 << 16, sizeof(key_t128))), 1 << 16, 0}};
    level_t level = {0}, next = {0};
    static life_t life;
    life_begin(&life, world);
    if (broken)
        return complain(&s, world, 0);
    first_seen(&s.seen, canon_key(&life));
    keep(&level, &life, note_way(&s, 0, 0));
    int found = 0;
    for (int d = 1; d <= depth && !found; d++) {
        next.used = 0;
        found = expand(&s, world, &level, d < depth ? &next : 0);
        level_t swap = level;
        level = next;
        next = swap;
    }
    if (!found)
        printf("world \"%s\": depth %d, %llu states, %llu transitions; faults: dead-man %u, interlock %u, ceiling %u, duty %u, "
               "firmware %u; armed %u, trials %u\n", world->name, depth, (unsigned long long)s.seen.used, (unsigned long long)s.transitions,
               s.faults[1], s.faults[2], s.faults[3], s.faults[4], s.faults[5], s.armings, s.trials);
    fflush(stdout);
    free(level.lives), free(level.ways), free(next.lives), free(next.ways), free(s.ways), free(s.seen.keys);
    return found;
}

/* --- is the merging right? ---------------------------------------------------------------------------------------- */

static uint32_t draw(uint64_t *chance, uint32_t n)
{
    *chance = *chance * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*chance >> 33) % n);
}

static int walk(life_t *life, uint64_t *chance)
{
    static life_t before;
    int choice = (int)draw(chance, (uint32_t)CHOICES_COUNT);
    before = *life;
    if (!life_choose(life, choice))
        *life = before;
    return choice;
}

/* Two lives with one key: whatever they are given from here on, they stay the same. */
static int together(const life_t *one, const life_t *other, uint64_t *chance)
{
    static life_t a, b;
    a = *one, b = *other;
    for (int i = 0; i < 12; i++) {
        uint64_t same = *chance;
        int choice = walk(&a, chance);
        walk(&b, &same);
        key_t128 x = canon_key(&a), y = canon_key(&b);
        if (x.a != y.a || x.b != y.b || broken) {
            printf("merged states differ after %d choices, the last: %s\n", i + 1, CHOICES[choice]);
            return 1;
        }
    }
    return 0;
}

enum { POOL = 1 << 12 };

static int merges(uint64_t seed, uint32_t walks)
{
    static life_t pool[POOL], life;
    static key_t128 keys[POOL];
    uint64_t chance = seed * 2654435761u + 1;
    uint32_t met = 0;
    for (uint32_t i = 0; i < walks; i++) {
        life_begin(&life, WORLDS + draw(&chance, (uint32_t)WORLDS_COUNT));
        for (int step = 0; step < 12; step++) {
            walk(&life, &chance);
            key_t128 key = canon_key(&life);
            uint32_t at = key.b & (POOL - 1);
            if (keys[at].a == key.a && keys[at].b == key.b && memcmp(&pool[at].core, &life.core, sizeof life.core)) {
                met++;
                if (together(&pool[at], &life, &chance))
                    return 1;
            } else {
                keys[at] = key;
                pool[at] = life;
            }
        }
        if (broken)
            return printf("broken in a walk: %s\n", broken), 1;
    }
    printf("%u walks, %u merged pairs went on alike\n", walks, met);
    return 0;
}

int main(int argc, char **argv)
{
    int found = 0;
    if (argc == 4 && strcmp(argv[1], "merges") == 0)
        return merges(strtoull(argv[2], 0, 10), (uint32_t)strtoul(argv[3], 0, 10));
    if ((argc != 3 && argc != 4) || strcmp(argv[1], "depth") != 0) {
        fprintf(stderr, "usage: explore depth D [WORLD] | merges SEED WALKS\n");
        return 2;
    }
    for (int i = 0; i < WORLDS_COUNT && !found; i++)
        if (argc == 3 || strcmp(argv[3], WORLDS[i].name) == 0)
            found = search(&WORLDS[i], atoi(argv[2]));
    return found;
}
