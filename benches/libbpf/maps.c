// The counterparts of src/maps.rs and src/ringbuf.rs with libbpf: `maps batch ELEMENTS` prints what an element
// costs in a batch update, lookup and delete, `maps ring PINNED` what an event of the pinned ring buffer costs;
// in nanoseconds of CPU time.

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 4096u

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static int batch(unsigned elements)
{
	int map = bpf_map_create(BPF_MAP_TYPE_HASH, "BENCH", 4, 8, elements, NULL);
	unsigned *keys = calloc(elements, sizeof *keys), next, *cursor = NULL;
	unsigned long long *values = calloc(elements, sizeof *values);
	if (map < 0 || !keys || !values)
		return 1;
	for (unsigned i = 0; i < elements; i++)
		values[i] = keys[i] = i;
	double start = now();
	for (unsigned at = 0; at < elements; at += BATCH) {
		unsigned count = elements - at < BATCH ? elements - at : BATCH;
		if (bpf_map_update_batch(map, keys + at, values + at, &count, NULL))
			return 1;
	}
	double update = now() - start;

	unsigned seen = 0, room[BATCH];
	unsigned long long room_values[BATCH];
	start = now();
	for (;;) {
		unsigned count = BATCH;
		int error = bpf_map_lookup_batch(map, cursor, &next, room, room_values, &count, NULL);
		seen += count;
		if (error == -ENOENT)
			break;
		if (error)
			return 1;
		cursor = &next;
	}
	double lookup = now() - start;
	if (seen != elements)
		return 1;

	start = now();
	for (unsigned at = 0; at < elements; at += BATCH) {
		unsigned count = elements - at < BATCH ? elements - at : BATCH;
		if (bpf_map_delete_batch(map, keys + at, &count, NULL))
			return 1;
	}
	double delete = now() - start;
	printf("%.2f %.2f %.2f\n", update / elements, lookup / elements, delete / elements);
	return 0;
}

static unsigned long long sum;

static int event(void *context, void *data, size_t size)
{
	(void)context;
	sum += *(unsigned char *)data + size;
	return 0;
}

static int ring(const char *path)
{
	int map = bpf_obj_get(path);
	struct ring_buffer *ring = map < 0 ? NULL : ring_buffer__new(map, event, NULL, NULL);
	if (!ring)
		return 1;
	double start = now();
	int count = ring_buffer__consume(ring);
	double time = now() - start;
	if (count <= 0 || sum != 65ull * count)
		return 1;
	printf("%.2f\n", time / count);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "batch"))
		return batch(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "ring"))
		return ring(argv[2]);
	fprintf(stderr, "usage: maps batch ELEMENTS | maps ring PINNED\n");
	return 2;
}
