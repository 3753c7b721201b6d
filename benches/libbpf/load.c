// Works on an object again and again without attaching: `load OBJECT COUNT [open|one|all]`.
//
// The counterpart of loader/src/main.rs with libbpf: prints the median wall time of a load in µs, the mean CPU
// time spent outside the kernel per load in µs, and the peak resident memory of the process in KiB.

#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static int silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level, (void)format, (void)arguments;
	return 0;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double user_micros(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec * 1e6 + usage.ru_utime.tv_usec;
}

static long peak_kib(void)
{
	char line[256];
	long value = -1;
	FILE *status = fopen("/proc/self/status", "r");
	while (status && fgets(line, sizeof line, status))
		if (sscanf(line, "VmHWM: %ld", &value) == 1)
			break;
	if (status)
		fclose(status);
	return value;
}

static void only_last(struct bpf_object *object)
{
	struct bpf_program *program, *last = NULL;
	bpf_object__for_each_program(program, object) {
		bpf_program__set_autoload(program, false);
		last = program;
	}
	if (last)
		bpf_program__set_autoload(last, true);
}

int main(int argc, char **argv)
{
	int count = argc == 3 || argc == 4 ? atoi(argv[2]) : 0;
	const char *what = argc == 4 ? argv[3] : "all";
	if (count < 1) {
		fprintf(stderr, "usage: load OBJECT COUNT [open|one|all]\n");
		return 2;
	}
	double *times = calloc(count, sizeof *times);
	double before = user_micros();
	libbpf_set_print(silent);
	for (int i = 0; i < count; i++) {
		struct timespec start, end;
		clock_gettime(CLOCK_MONOTONIC, &start);
		struct bpf_object *object = bpf_object__open_file(argv[1], NULL);
		if (object && !strcmp(what, "one"))
			only_last(object);
		if (!object || (strcmp(what, "open") && bpf_object__load(object))) {
			fprintf(stderr, "libbpf does not load %s\n", argv[1]);
			return 1;
		}
		clock_gettime(CLOCK_MONOTONIC, &end);
		times[i] = (end.tv_sec - start.tv_sec) * 1e6 + (end.tv_nsec - start.tv_nsec) / 1e3;
		bpf_object__close(object);
	}
	double own = (user_micros() - before) / count;
	qsort(times, count, sizeof *times, ascending);
	printf("%.1f %.1f %ld\n", times[count / 2], own, peak_kib());
	free(times);
	return 0;
}
