/* Some of the idioms again, as one writes them in C: `GROUP__NAME`. A refusal is a limit of the
 * kernel only where the twin is refused as well. Results are those of the idioms. */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} EVENTS SEC(".maps");

typedef unsigned char u8;
typedef __u32 u32;
typedef __u64 u64;
#define INLINE static __always_inline

#define START(NEEDED)                                                                              \
	u8 *data = (u8 *)(long)ctx->data, *end = (u8 *)(long)ctx->data_end;                        \
	if (data + (NEEDED) > end)                                                                 \
		return 0;
#define FINISH(RESULT)                                                                             \
	*(u64 *)data = (RESULT);                                                                   \
	return 2;

/* Given the packet's first 64 bytes as numbers. */
#define WORDS(NAME)                                                                                \
	INLINE u64 NAME##_of(const u64 *x);                                                        \
	SEC("xdp") int NAME(struct xdp_md *ctx)                                                    \
	{                                                                                          \
		u64 x[8];                                                                          \
		START(64)                                                                          \
		__builtin_memcpy(x, data, 64);                                                     \
		FINISH(NAME##_of(x))                                                               \
	}                                                                                          \
	INLINE u64 NAME##_of(const u64 *x)

/* Given the 64 bytes behind the first one, and `n`, what the first one says of their number. */
#define TEXT(NAME)                                                                                 \
	INLINE u64 NAME##_of(const u8 *t, u64 n);                                                  \
	SEC("xdp") int NAME(struct xdp_md *ctx)                                                    \
	{                                                                                          \
		u8 t[64];                                                                          \
		u64 n;                                                                             \
		START(65)                                                                          \
		n = data[0];                                                                       \
		__builtin_memcpy(t, data + 1, 64);                                                 \
		if (n > 64)                                                                        \
			return 0;                                                                  \
		FINISH(NAME##_of(t, n))                                                            \
	}                                                                                          \
	INLINE u64 NAME##_of(const u8 *t, u64 n)

/* Given the same bytes, and no number. */
#define BYTES(NAME)                                                                                \
	INLINE u64 NAME##_of(const u8 *t);                                                         \
	SEC("xdp") int NAME(struct xdp_md *ctx)                                                    \
	{                                                                                          \
		u8 t[64];                                                                          \
		START(65)                                                                          \
		__builtin_memcpy(t, data + 1, 64);                                                 \
		FINISH(NAME##_of(t))                                                               \
	}                                                                                          \
	INLINE u64 NAME##_of(const u8 *t)

TEXT(slices__hash_by_for)
{
	u64 hash = 1;

	for (const u8 *b = t; b != t + n; b++)
		hash = (hash ^ *b) * 0x100000001b3;
	return hash;
}

TEXT(slices__hash_by_index)
{
	u64 hash = 1;

	for (u64 i = 0; i < n; i++)
		hash = hash * 31 + t[i];
	return hash;
}

TEXT(slices__first_and_last)
{
	return n ? (u64)t[0] << 8 | t[n - 1] : 99999;
}

TEXT(slices__reversed)
{
	u64 hash = 3;

	for (u64 i = n; i > 0; i--)
		hash = hash * 33 ^ t[i - 1];
	return hash;
}

TEXT(slices__every_third)
{
	u64 sum = 0;

	for (u64 i = 0; i < n; i += 3)
		sum += t[i];
	return sum;
}

TEXT(adapters__peeked_runs)
{
	u64 runs = 0;

	for (u64 i = 0; i < n; i++)
		if (i + 1 == n || t[i] != t[i + 1])
			runs++;
	return runs;
}

TEXT(adapters__last_match)
{
	for (u64 i = n; i > 0; i--)
		if (t[i - 1] == '/')
			return i - 1;
	return 77;
}

TEXT(strings__vowels)
{
	u64 count = 0;

	for (u64 i = 0; i < n; i++) {
		u8 c = t[i] >= 'A' && t[i] <= 'Z' ? t[i] + 32 : t[i];

		count += c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u';
	}
	return count;
}

TEXT(strings__until_nul)
{
	u64 sum = 0;

	for (u64 i = 0; i < n && t[i]; i++)
		sum += t[i];
	return sum;
}

TEXT(parsing__leading_digits)
{
	u64 number = 0;

	for (u64 i = 0; i < n && t[i] >= '0' && t[i] <= '9'; i++)
		number = number * 10 + (t[i] - '0');
	return number;
}

TEXT(parsing__behind_the_last_equals_sign)
{
	u64 at = 0, number = 0;

	for (u64 i = n; i > 0; i--)
		if (t[i - 1] == '=') {
			at = i;
			break;
		}
	if (at == n)
		return 3;
	for (u64 i = at; i < n; i++) {
		if (t[i] < '0' || t[i] > '9' || number > ~0ull / 10 - 1)
			return 3;
		number = number * 10 + (t[i] - '0');
	}
	return number;
}

TEXT(buffers__a_reader_of_records)
{
	u64 at = 0, sum = 0;

	for (int round = 0; round < 8; round++) {
		u64 length, hash = 17;

		if (at >= n)
			break;
		length = t[at++] & 7;
		if (length > n - at)
			break;
		for (u64 i = 0; i < length; i++)
			hash = hash * 31 + t[at + i];
		at += length;
		sum = sum * 3 ^ hash;
	}
	return sum;
}

TEXT(sending__a_slice_sent)
{
	return (bpf_ringbuf_output(&EVENTS, (void *)t, n, 0) == 0) + n;
}

TEXT(sending__a_part_sent)
{
	u64 start = n / 3, length = n - start;

	return (u64)(bpf_ringbuf_output(&EVENTS, (void *)(t + start), length, 0) == 0) << 8 | length;
}

TEXT(sending__two_texts_sent)
{
	u64 half = n / 2;
	u64 left = bpf_ringbuf_output(&EVENTS, (void *)t, half, 0) == 0;

	return left + (bpf_ringbuf_output(&EVENTS, (void *)(t + half), n - half, 0) == 0);
}

BYTES(hashing__an_internet_checksum)
{
	u32 sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += t[i] << 8 | t[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

TEXT(hashing__djb2)
{
	u32 h = 5381;

	for (u64 i = 0; i < n; i++)
		h = (h << 5) + h + t[i];
	return h;
}

WORDS(loops__a_collatz_walk)
{
	u64 n = (x[0] & 0xff) | 1, steps = 0;

	while (n != 1 && steps < 30) {
		n = n % 2 == 0 ? n / 2 : 3 * n + 1;
		steps++;
	}
	return steps << 16 | n;
}

WORDS(loops__counted_down)
{
	u64 n = x[0] % 24, product = 1;

	while (n > 0) {
		product *= n | 1;
		n--;
	}
	return product;
}

WORDS(loops__counted_by_the_packet)
{
	u64 n = x[0] & 31, sum = 0;

	for (u64 i = 0; i < n; i++) {
		sum += i * i;
		/* Not the formula that clang knows for this, which needs 128 bits. */
		asm volatile("" : "+r"(sum));
	}
	return sum;
}

WORDS(arrays__an_index_that_is_checked)
{
	u64 table[] = { 11, 22, 33, 44, 55 };

	return x[0] < 5 ? table[x[0]] : 1;
}

WORDS(arrays__a_histogram)
{
	u64 bins[16] = {}, sum = 0;

	for (int i = 0; i < 8; i++)
		bins[x[i] & 15]++;
	for (int i = 0; i < 16; i++)
		sum += i * bins[i] * bins[i];
	return sum;
}

WORDS(sorting__a_binary_search_by_hand)
{
	u32 table[16] = { 1, 4, 9, 16, 25, 36, 49, 64, 81, 100, 121, 144, 169, 196, 225, 256 };
	u32 wanted = x[0] & 0x1ff;
	u64 low = 0, high = 16;

	while (low < high) {
		u64 middle = low + (high - low) / 2;

		if (table[middle & 15] < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
