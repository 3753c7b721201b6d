// The counterparts of src/maps.rs and src/ringbuf.rs with libbpf: `maps maps PINNED ELEMENTS` prints what an
// element of the pinned hash map costs in an update, a lookup and a deletion, then the same in batches, and how many
// elements the lookup in batches gave; `maps ring PINNED` what an event of the pinned ring buffer costs. All in
// nanoseconds of CPU time.

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

static int singles(int map, unsigned elements, double *times)
{
	unsigned long long value;
	double start = now();
	for (unsigned key = 0; key < elements; key++) {
		value = key;
		if (bpf_map_update_elem(map, &key, &value, BPF_ANY))
			return 1;
	}
	times[0] = now() - start;
	start = now();
	for (unsigned key = 0; key < elements; key++)
		if (bpf_map_lookup_elem(map, &key, &value) || value != key)
			return 1;
	times[1] = now() - start;
	start = now();
	for (unsigned key = 0; key < elements; key++)
		if (bpf_map_delete_elem(map, &key))
			return 1;
	times[2] = now() - start;
	return 0;
}

static int batches(int map, unsigned elements, double *times, unsigned *seen)
{
	unsigned *keys = calloc(elements, sizeof *keys), next, *cursor = NULL, room[BATCH];
	unsigned long long *values = calloc(elements, sizeof *values), room_values[BATCH];
	if (!keys || !values)
		return 1;
	for (unsigned i = 0; i < elements; i++)
		values[i] = keys[i] = i;
	double start = now();
	for (unsigned at = 0; at < elements; at += BATCH) {
		unsigned count = elements - at < BATCH ? elements - at : BATCH;
		if (bpf_map_update_batch(map, keys + at, values + at, &count, NULL))
			return 1;
	}
	times[0] = now() - start;
	*seen = 0;
	start = now();
	for (;;) {
		unsigned count = BATCH;
		int error = bpf_map_lookup_batch(map, cursor, &next, room, room_values, &count, NULL);
		*seen += count;
		if (error == -ENOENT)
			break;
		if (error)
			return 1;
		cursor = &next;
	}
	times[1] = now() - start;
	start = now();
	for (unsigned at = 0; at < elements; at += BATCH) {
		unsigned count = elements - at < BATCH ? elements - at : BATCH;
		if (bpf_map_delete_batch(map, keys + at, &count, NULL))
			return 1;
	}
	times[2] = now() - start;
	free(keys);
	free(values);
	return 0;
}

static int maps(const char *path, unsigned elements)
{
	int map = bpf_obj_get(path);
	double times[6];
	unsigned seen = 0;
	// The second time, everything is warm.
	for (int round = 0; round < 2; round++)
		if (map < 0 || singles(map, elements, times) || batches(map, elements, times + 3, &seen))
			return 1;
	for (int i = 0; i < 6; i++)
		printf("%.2f ", times[i] / elements);
	printf("%u\n", seen);
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
	if (argc == 4 && !strcmp(argv[1], "maps"))
		return maps(argv[2], atoi(argv[3]));
	if (argc == 3 && !strcmp(argv[1], "ring"))
		return ring(argv[2]);
	fprintf(stderr, "usage: maps maps PINNED ELEMENTS | maps ring PINNED\n");
	return 2;
}
