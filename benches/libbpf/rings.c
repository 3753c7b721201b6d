// The counterpart of src/scale/rings.rs with libbpf: `rings COUNT ROUNDS` prints what it takes to look at one of COUNT
// empty ring buffers, in nanoseconds of CPU time.

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static int ignore(void *context, void *data, size_t size)
{
	(void)context, (void)data, (void)size;
	return 0;
}

int main(int argc, char **argv)
{
	int count = argc == 3 ? atoi(argv[1]) : 0, rounds = argc == 3 ? atoi(argv[2]) : 0;
	if (count < 1 || rounds < 1) {
		fprintf(stderr, "usage: rings COUNT ROUNDS\n");
		return 2;
	}
	struct ring_buffer *rings = NULL;
	for (int i = 0; i < count; i++) {
		int map = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, 4096, NULL);
		if (map < 0)
			return 1;
		if (!rings && !(rings = ring_buffer__new(map, ignore, NULL, NULL)))
			return 1;
		else if (i && ring_buffer__add(rings, map, ignore, NULL))
			return 1;
	}
	ring_buffer__consume(rings);
	double start = now();
	for (int i = 0; i < rounds; i++)
		if (ring_buffer__consume(rings))
			return 1;
	printf("%.2f\n", (now() - start) / rounds / count);
	return 0;
}
