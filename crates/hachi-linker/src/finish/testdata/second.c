/* Contradicts first.c where it can. */
#define SEC(name) __attribute__((section(name), used))
unsigned from_c(unsigned value) { return value; }
static const char *names[] = { "zero", "one" };
SEC("tc") int names_of(unsigned *skb) { return *names[*skb & 1] + from_c(1); }
char LICENSE[] SEC("license") = "MIT";
