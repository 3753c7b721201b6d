/* Takes the place of first.c's weak function. */
unsigned overridable(void) { return 2; }
