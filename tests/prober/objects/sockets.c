/* Programs of sockets that are in a map. */
#include "counted.h"

struct {
	__uint(type, 15);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

COUNTS("sk_msg", message, 1)
COUNTS("sk_skb/stream_verdict", stream_verdict, 1)
COUNTS("sk_skb/verdict", verdict, 1)

struct __sk_buff {
	__u32 len;
};

SEC("sk_skb/stream_parser") int run_stream_parser(struct __sk_buff *skb)
{
	count();
	return skb->len;
}
