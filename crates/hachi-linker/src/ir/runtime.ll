; What eBPF lacks, in eBPF's own terms. Everything here is inlined where it is used.
;
; Loops count up from zero so that the verifier knows the index exactly, and have no branches inside where that can be
; avoided, so that it need not follow both sides of each round.

; --- memory -----------------------------------------------------------------------------------------------------

define ptr @memcpy(ptr %d, ptr %s, i64 %n) #0 {
  call void @__hachi_copy1(ptr %d, ptr %s, i64 %n)
  ret ptr %d
}

define ptr @memmove(ptr %d, ptr %s, i64 %n) #0 {
  call void @__hachi_move(ptr %d, ptr %s, i64 %n)
  ret ptr %d
}

define ptr @memset(ptr %d, i32 %v, i64 %n) #0 {
  %b = trunc i32 %v to i8
  call void @__hachi_set1(ptr %d, i8 %b, i64 %n)
  ret ptr %d
}

define i32 @memcmp(ptr %a, ptr %b, i64 %n) #0 {
entry:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %same, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %equal ]
  %p = getelementptr i8, ptr %a, i64 %i
  %q = getelementptr i8, ptr %b, i64 %i
  %u = load i8, ptr %p
  %v = load i8, ptr %q
  %differ = icmp ne i8 %u, %v
  br i1 %differ, label %decided, label %equal
equal:
  %next = add nuw i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %same
decided:
  %x = zext i8 %u to i32
  %y = zext i8 %v to i32
  %r = sub i32 %x, %y
  ret i32 %r
same:
  ret i32 0
}

define i32 @bcmp(ptr %a, ptr %b, i64 %n) #0 {
entry:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %end, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %acc = phi i32 [ 0, %entry ], [ %sum, %loop ]
  %p = getelementptr i8, ptr %a, i64 %i
  %q = getelementptr i8, ptr %b, i64 %i
  %u = load i8, ptr %p
  %v = load i8, ptr %q
  %d = xor i8 %u, %v
  %w = zext i8 %d to i32
  %sum = or i32 %acc, %w
  %next = add nuw i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  %r = phi i32 [ 0, %entry ], [ %sum, %loop ]
  ret i32 %r
}

define i64 @strlen(ptr %s) #0 {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %p = getelementptr i8, ptr %s, i64 %i
  %c = load i8, ptr %p
  %next = add nuw i64 %i, 1
  %end = icmp eq i8 %c, 0
  br i1 %end, label %done, label %loop
done:
  ret i64 %i
}

; __hachi_copyN: %n bytes in units of N; the caller knows that N divides %n and both addresses.
define void @__hachi_copy1(ptr %d, ptr %s, i64 %n) #0 {
entry:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %end, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %p = getelementptr i8, ptr %s, i64 %i
  %q = getelementptr i8, ptr %d, i64 %i
  %v = load i8, ptr %p, align 1
  store i8 %v, ptr %q, align 1
  %next = add nuw i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}

define void @__hachi_copy2(ptr %d, ptr %s, i64 %n) #0 {
entry:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %end, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %p = getelementptr i8, ptr %s, i64 %i
  %q = getelementptr i8, ptr %d, i64 %i
  %v = load i16, ptr %p, align 2
  store i16 %v, ptr %q, align 2
  %next = add nuw i64 %i, 2
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}

define void @__hachi_copy4(ptr %d, ptr %s, i64 %n) #0 {
entry:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %end, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %p = getelementptr i8, ptr %s, i64 %i
  %q = getelementptr i8, ptr %d, i64 %i
  %v = load i32, ptr %p, align 4
  store i32 %v, ptr %q, align 4
  %next = add nuw i64 %i, 4
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}

define void @__hachi_copy8(ptr %d, ptr %s, i64 %n) #0 {
entry:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %end, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %p = getelementptr i8, ptr %s, i64 %i
  %q = getelementptr i8, ptr %d, i64 %i
  %v = load i64, ptr %p, align 8
  store i64 %v, ptr %q, align 8
  %next = add nuw i64 %i, 8
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}

; Overlapping ranges: from the end when the target lies above the source.
define void @__hachi_move(ptr %d, ptr %s, i64 %n) #0 {
entry:
  %up = icmp ugt ptr %d, %s
  br i1 %up, label %down, label %forward
forward:
  call void @__hachi_copy1(ptr %d, ptr %s, i64 %n)
  ret void
down:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %end, label %loop
loop:
  %left = phi i64 [ %n, %down ], [ %i, %loop ]
  %i = sub nuw i64 %left, 1
  %p = getelementptr i8, ptr %s, i64 %i
  %q = getelementptr i8, ptr %d, i64 %i
  %v = load i8, ptr %p
  store i8 %v, ptr %q
  %more = icmp ne i64 %i, 0
  br i1 %more, label %loop, label %end
end:
  ret void
}

define void @__hachi_set1(ptr %d, i8 %b, i64 %n) #0 {
entry:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %end, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %q = getelementptr i8, ptr %d, i64 %i
  store i8 %b, ptr %q, align 1
  %next = add nuw i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}

; %n is a multiple of 8 and so is the address.
define void @__hachi_set8(ptr %d, i8 %b, i64 %n) #0 {
entry:
  %w = zext i8 %b to i64
  %pattern = mul i64 %w, 72340172838076673
  %none = icmp eq i64 %n, 0
  br i1 %none, label %end, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %q = getelementptr i8, ptr %d, i64 %i
  store i64 %pattern, ptr %q, align 8
  %next = add nuw i64 %i, 8
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}

; --- 64-bit arithmetic ------------------------------------------------------------------------------------------

define i64 @__hachi_sdiv64(i64 %a, i64 %b) #0 {
  %an = icmp slt i64 %a, 0
  %bn = icmp slt i64 %b, 0
  %na = sub i64 0, %a
  %nb = sub i64 0, %b
  %ua = select i1 %an, i64 %na, i64 %a
  %ub = select i1 %bn, i64 %nb, i64 %b
  %q = udiv i64 %ua, %ub
  %nq = sub i64 0, %q
  %opposite = xor i1 %an, %bn
  %r = select i1 %opposite, i64 %nq, i64 %q
  ret i64 %r
}

define i64 @__hachi_srem64(i64 %a, i64 %b) #0 {
  %an = icmp slt i64 %a, 0
  %bn = icmp slt i64 %b, 0
  %na = sub i64 0, %a
  %nb = sub i64 0, %b
  %ua = select i1 %an, i64 %na, i64 %a
  %ub = select i1 %bn, i64 %nb, i64 %b
  %q = urem i64 %ua, %ub
  %nq = sub i64 0, %q
  %r = select i1 %an, i64 %nq, i64 %q
  ret i64 %r
}

define { i64, i1 } @__hachi_umulo64(i64 %a, i64 %b) #0 {
  %wa = zext i64 %a to i128
  %wb = zext i64 %b to i128
  %p = call i128 @__hachi_mul128(i128 %wa, i128 %wb)
  %h = lshr i128 %p, 64
  %hi = trunc i128 %h to i64
  %lo = trunc i128 %p to i64
  %over = icmp ne i64 %hi, 0
  %r0 = insertvalue { i64, i1 } poison, i64 %lo, 0
  %r1 = insertvalue { i64, i1 } %r0, i1 %over, 1
  ret { i64, i1 } %r1
}

define { i64, i1 } @__hachi_smulo64(i64 %a, i64 %b) #0 {
  %wa = sext i64 %a to i128
  %wb = sext i64 %b to i128
  %p = call i128 @__hachi_mul128(i128 %wa, i128 %wb)
  %h = lshr i128 %p, 64
  %hi = trunc i128 %h to i64
  %lo = trunc i128 %p to i64
  %sign = ashr i64 %lo, 63
  %over = icmp ne i64 %hi, %sign
  %r0 = insertvalue { i64, i1 } poison, i64 %lo, 0
  %r1 = insertvalue { i64, i1 } %r0, i1 %over, 1
  ret { i64, i1 } %r1
}

; --- 128-bit arithmetic -----------------------------------------------------------------------------------------

define i128 @__hachi_mul128(i128 %a, i128 %b) #0 {
  %al = trunc i128 %a to i64
  %bl = trunc i128 %b to i64
  %as = lshr i128 %a, 64
  %bs = lshr i128 %b, 64
  %ah = trunc i128 %as to i64
  %bh = trunc i128 %bs to i64
  ; The product of the low halves, in four parts of 32 by 32 bits.
  %a0 = and i64 %al, 4294967295
  %a1 = lshr i64 %al, 32
  %b0 = and i64 %bl, 4294967295
  %b1 = lshr i64 %bl, 32
  %p00 = mul i64 %a0, %b0
  %p01 = mul i64 %a0, %b1
  %p10 = mul i64 %a1, %b0
  %p11 = mul i64 %a1, %b1
  %c0 = lshr i64 %p00, 32
  %t0 = and i64 %p01, 4294967295
  %t1 = and i64 %p10, 4294967295
  %t2 = add i64 %c0, %t0
  %t3 = add i64 %t2, %t1
  %carry = lshr i64 %t3, 32
  %h01 = lshr i64 %p01, 32
  %h10 = lshr i64 %p10, 32
  %h1 = add i64 %p11, %h01
  %h2 = add i64 %h1, %h10
  %h3 = add i64 %h2, %carry
  ; The crossing products only reach the high half.
  %x1 = mul i64 %al, %bh
  %x2 = mul i64 %ah, %bl
  %h4 = add i64 %h3, %x1
  %h5 = add i64 %h4, %x2
  %lo = mul i64 %al, %bl
  %r = call i128 @__hachi_join(i64 %lo, i64 %h5)
  ret i128 %r
}

define i128 @__hachi_join(i64 %lo, i64 %hi) #0 {
  %l = zext i64 %lo to i128
  %h = zext i64 %hi to i128
  %s = shl i128 %h, 64
  %r = or i128 %s, %l
  ret i128 %r
}

define { i128, i1 } @__hachi_umulo128(i128 %a, i128 %b) #0 {
  %as = lshr i128 %a, 64
  %bs = lshr i128 %b, 64
  %ah = trunc i128 %as to i64
  %bh = trunc i128 %bs to i64
  %al = trunc i128 %a to i64
  %bl = trunc i128 %b to i64
  %an = icmp ne i64 %ah, 0
  %bn = icmp ne i64 %bh, 0
  %both = and i1 %an, %bn
  %x1 = call { i64, i1 } @__hachi_umulo64(i64 %ah, i64 %bl)
  %x2 = call { i64, i1 } @__hachi_umulo64(i64 %al, i64 %bh)
  %o1 = extractvalue { i64, i1 } %x1, 1
  %o2 = extractvalue { i64, i1 } %x2, 1
  %v1 = extractvalue { i64, i1 } %x1, 0
  %v2 = extractvalue { i64, i1 } %x2, 0
  %wal = zext i64 %al to i128
  %wbl = zext i64 %bl to i128
  %low = call i128 @__hachi_mul128(i128 %wal, i128 %wbl)
  ; One of the crossing products is zero when the result can fit.
  %cross = add i64 %v1, %v2
  %shifted = call i128 @__hachi_join(i64 0, i64 %cross)
  %sum = add i128 %low, %shifted
  %wrapped = icmp ult i128 %sum, %low
  %e1 = or i1 %o1, %o2
  %e2 = or i1 %both, %wrapped
  %over = or i1 %e1, %e2
  %r0 = insertvalue { i128, i1 } poison, i128 %sum, 0
  %r1 = insertvalue { i128, i1 } %r0, i1 %over, 1
  ret { i128, i1 } %r1
}

define { i128, i1 } @__hachi_smulo128(i128 %a, i128 %b) #0 {
  %an = icmp slt i128 %a, 0
  %bn = icmp slt i128 %b, 0
  %na = sub i128 0, %a
  %nb = sub i128 0, %b
  %ua = select i1 %an, i128 %na, i128 %a
  %ub = select i1 %bn, i128 %nb, i128 %b
  %p = call { i128, i1 } @__hachi_umulo128(i128 %ua, i128 %ub)
  %u = extractvalue { i128, i1 } %p, 0
  %o = extractvalue { i128, i1 } %p, 1
  %opposite = xor i1 %an, %bn
  %nu = sub i128 0, %u
  %v = select i1 %opposite, i128 %nu, i128 %u
  ; The magnitude must leave room for the sign: at most 2^127 when negative, less when not.
  %neg = icmp slt i128 %v, 0
  %nonzero = icmp ne i128 %u, 0
  %should = and i1 %opposite, %nonzero
  %wrong = xor i1 %neg, %should
  %over = or i1 %o, %wrong
  %r0 = insertvalue { i128, i1 } poison, i128 %v, 0
  %r1 = insertvalue { i128, i1 } %r0, i1 %over, 1
  ret { i128, i1 } %r1
}

define i128 @__hachi_shl128(i128 %a, i128 %by) #0 {
  %l = trunc i128 %a to i64
  %as = lshr i128 %a, 64
  %h = trunc i128 %as to i64
  %k = trunc i128 %by to i64
  %far = and i64 %k, 64
  %isfar = icmp ne i64 %far, 0
  %m = and i64 %k, 63
  ; Shifting by one and then by the rest, since shifting by 64 at once is undefined.
  %rest = xor i64 %m, 63
  %half = lshr i64 %l, 1
  %carried = lshr i64 %half, %rest
  %hs = shl i64 %h, %m
  %nearhi = or i64 %hs, %carried
  %ls = shl i64 %l, %m
  %hi = select i1 %isfar, i64 %ls, i64 %nearhi
  %lo = select i1 %isfar, i64 0, i64 %ls
  %r = call i128 @__hachi_join(i64 %lo, i64 %hi)
  ret i128 %r
}

define i128 @__hachi_lshr128(i128 %a, i128 %by) #0 {
  %l = trunc i128 %a to i64
  %as = lshr i128 %a, 64
  %h = trunc i128 %as to i64
  %k = trunc i128 %by to i64
  %far = and i64 %k, 64
  %isfar = icmp ne i64 %far, 0
  %m = and i64 %k, 63
  %rest = xor i64 %m, 63
  %half = shl i64 %h, 1
  %carried = shl i64 %half, %rest
  %ls = lshr i64 %l, %m
  %nearlo = or i64 %ls, %carried
  %hs = lshr i64 %h, %m
  %lo = select i1 %isfar, i64 %hs, i64 %nearlo
  %hi = select i1 %isfar, i64 0, i64 %hs
  %r = call i128 @__hachi_join(i64 %lo, i64 %hi)
  ret i128 %r
}

define i128 @__hachi_ashr128(i128 %a, i128 %by) #0 {
  %l = trunc i128 %a to i64
  %as = lshr i128 %a, 64
  %h = trunc i128 %as to i64
  %k = trunc i128 %by to i64
  %far = and i64 %k, 64
  %isfar = icmp ne i64 %far, 0
  %m = and i64 %k, 63
  %rest = xor i64 %m, 63
  %half = shl i64 %h, 1
  %carried = shl i64 %half, %rest
  %ls = lshr i64 %l, %m
  %nearlo = or i64 %ls, %carried
  %hs = ashr i64 %h, %m
  %sign = ashr i64 %h, 63
  %lo = select i1 %isfar, i64 %hs, i64 %nearlo
  %hi = select i1 %isfar, i64 %sign, i64 %hs
  %r = call i128 @__hachi_join(i64 %lo, i64 %hi)
  ret i128 %r
}

define i128 @__hachi_fshl128(i128 %a, i128 %b, i128 %by) #0 {
  %k = and i128 %by, 127
  %rest = xor i128 %k, 127
  %half = lshr i128 %b, 1
  %x = call i128 @__hachi_shl128(i128 %a, i128 %k)
  %y = call i128 @__hachi_lshr128(i128 %half, i128 %rest)
  %r = or i128 %x, %y
  ret i128 %r
}

define i128 @__hachi_fshr128(i128 %a, i128 %b, i128 %by) #0 {
  %k = and i128 %by, 127
  %rest = xor i128 %k, 127
  %double = shl i128 %a, 1
  %x = call i128 @__hachi_shl128(i128 %double, i128 %rest)
  %y = call i128 @__hachi_lshr128(i128 %b, i128 %k)
  %r = or i128 %x, %y
  ret i128 %r
}

define i128 @__hachi_udiv128(i128 %n, i128 %d) #0 {
  %out = alloca [2 x i128], align 8
  %nl = trunc i128 %n to i64
  %ns = lshr i128 %n, 64
  %nh = trunc i128 %ns to i64
  %dl = trunc i128 %d to i64
  %ds = lshr i128 %d, 64
  %dh = trunc i128 %ds to i64
  call void @__hachi_divide128(ptr %out, i64 %nl, i64 %nh, i64 %dl, i64 %dh)
  %q = load i128, ptr %out, align 8
  ret i128 %q
}

define i128 @__hachi_urem128(i128 %n, i128 %d) #0 {
  %out = alloca [2 x i128], align 8
  %nl = trunc i128 %n to i64
  %ns = lshr i128 %n, 64
  %nh = trunc i128 %ns to i64
  %dl = trunc i128 %d to i64
  %ds = lshr i128 %d, 64
  %dh = trunc i128 %ds to i64
  call void @__hachi_divide128(ptr %out, i64 %nl, i64 %nh, i64 %dl, i64 %dh)
  %at = getelementptr i8, ptr %out, i64 16
  %r = load i128, ptr %at, align 8
  ret i128 %r
}

define i128 @__hachi_sdiv128(i128 %a, i128 %b) #0 {
  %sa = ashr i128 %a, 127
  %sb = ashr i128 %b, 127
  %xa = xor i128 %a, %sa
  %xb = xor i128 %b, %sb
  %ua = sub i128 %xa, %sa
  %ub = sub i128 %xb, %sb
  %q = call i128 @__hachi_udiv128(i128 %ua, i128 %ub)
  %s = xor i128 %sa, %sb
  %xq = xor i128 %q, %s
  %r = sub i128 %xq, %s
  ret i128 %r
}

define i128 @__hachi_srem128(i128 %a, i128 %b) #0 {
  %sa = ashr i128 %a, 127
  %sb = ashr i128 %b, 127
  %xa = xor i128 %a, %sa
  %xb = xor i128 %b, %sb
  %ua = sub i128 %xa, %sa
  %ub = sub i128 %xb, %sb
  %q = call i128 @__hachi_urem128(i128 %ua, i128 %ub)
  %xq = xor i128 %q, %sa
  %r = sub i128 %xq, %sa
  ret i128 %r
}

; Quotient and remainder, bit by bit from the top, by masks instead of branches: 128 rounds with a branch in each would be
; 2^128 ways through. Not inlined: it is long, and the verifier follows it once for each call in any case.
define void @__hachi_divide128(ptr %out, i64 %nl, i64 %nh, i64 %dl, i64 %dh) #1 {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %ql = phi i64 [ %nl, %entry ], [ %ql2, %loop ]
  %qh = phi i64 [ %nh, %entry ], [ %qh2, %loop ]
  %rl = phi i64 [ 0, %entry ], [ %rl2, %loop ]
  %rh = phi i64 [ 0, %entry ], [ %rh2, %loop ]
  ; The remainder takes in the dividend's top bit.
  %out1 = lshr i64 %rh, 63
  %rh.a = shl i64 %rh, 1
  %rl.top = lshr i64 %rl, 63
  %rh.s = or i64 %rh.a, %rl.top
  %rl.a = shl i64 %rl, 1
  %q.top = lshr i64 %qh, 63
  %rl.s = or i64 %rl.a, %q.top
  %qh.a = shl i64 %qh, 1
  %ql.top = lshr i64 %ql, 63
  %qh.s = or i64 %qh.a, %ql.top
  %ql.s = shl i64 %ql, 1
  ; Try to subtract the divisor; %borrow is 1 when it does not fit.
  %sl = sub i64 %rl.s, %dl
  %b1.a = xor i64 %rl.s, -1
  %b1.b = and i64 %b1.a, %dl
  %b1.c = or i64 %b1.a, %dl
  %b1.d = and i64 %b1.c, %sl
  %b1.e = or i64 %b1.b, %b1.d
  %b1 = lshr i64 %b1.e, 63
  %sh.a = sub i64 %rh.s, %dh
  %sh = sub i64 %sh.a, %b1
  %b2.a = xor i64 %rh.s, -1
  %b2.b = and i64 %b2.a, %dh
  %b2.c = or i64 %b2.a, %dh
  %b2.d = and i64 %b2.c, %sh
  %b2.e = or i64 %b2.b, %b2.d
  %b2 = lshr i64 %b2.e, 63
  %b2.n = xor i64 %b2, 1
  ; A bit shifted out of the remainder means that it surely fits.
  %fits = or i64 %b2.n, %out1
  %mask = sub i64 0, %fits
  %keep = xor i64 %mask, -1
  %rl.x = and i64 %sl, %mask
  %rl.y = and i64 %rl.s, %keep
  %rl2 = or i64 %rl.x, %rl.y
  %rh.x = and i64 %sh, %mask
  %rh.y = and i64 %rh.s, %keep
  %rh2 = or i64 %rh.x, %rh.y
  %ql2 = or i64 %ql.s, %fits
  %qh2 = or i64 %qh.s, 0
  %next = add nuw i64 %i, 1
  %more = icmp ult i64 %next, 128
  br i1 %more, label %loop, label %end
end:
  store i64 %ql2, ptr %out, align 8
  %p1 = getelementptr i8, ptr %out, i64 8
  store i64 %qh2, ptr %p1, align 8
  %p2 = getelementptr i8, ptr %out, i64 16
  store i64 %rl2, ptr %p2, align 8
  %p3 = getelementptr i8, ptr %out, i64 24
  store i64 %rh2, ptr %p3, align 8
  ret void
}

; --- atomics ----------------------------------------------------------------------------------------------------
; rustc's eBPF target has none, so the kernel-side library declares these as `extern "C"` functions.

define i64 @__hachi_atomic_add64(ptr %p, i64 %v) #0 {
  %r = atomicrmw add ptr %p, i64 %v seq_cst
  ret i64 %r
}
define i64 @__hachi_atomic_sub64(ptr %p, i64 %v) #0 {
  %r = atomicrmw sub ptr %p, i64 %v seq_cst
  ret i64 %r
}
define i64 @__hachi_atomic_and64(ptr %p, i64 %v) #0 {
  %r = atomicrmw and ptr %p, i64 %v seq_cst
  ret i64 %r
}
define i64 @__hachi_atomic_or64(ptr %p, i64 %v) #0 {
  %r = atomicrmw or ptr %p, i64 %v seq_cst
  ret i64 %r
}
define i64 @__hachi_atomic_xor64(ptr %p, i64 %v) #0 {
  %r = atomicrmw xor ptr %p, i64 %v seq_cst
  ret i64 %r
}
define i64 @__hachi_atomic_xchg64(ptr %p, i64 %v) #0 {
  %r = atomicrmw xchg ptr %p, i64 %v seq_cst
  ret i64 %r
}
define i64 @__hachi_atomic_cmpxchg64(ptr %p, i64 %old, i64 %new) #0 {
  %r = cmpxchg ptr %p, i64 %old, i64 %new seq_cst seq_cst
  %x = extractvalue { i64, i1 } %r, 0
  ret i64 %x
}
define i32 @__hachi_atomic_add32(ptr %p, i32 %v) #0 {
  %r = atomicrmw add ptr %p, i32 %v seq_cst
  ret i32 %r
}
define i32 @__hachi_atomic_sub32(ptr %p, i32 %v) #0 {
  %r = atomicrmw sub ptr %p, i32 %v seq_cst
  ret i32 %r
}
define i32 @__hachi_atomic_and32(ptr %p, i32 %v) #0 {
  %r = atomicrmw and ptr %p, i32 %v seq_cst
  ret i32 %r
}
define i32 @__hachi_atomic_or32(ptr %p, i32 %v) #0 {
  %r = atomicrmw or ptr %p, i32 %v seq_cst
  ret i32 %r
}
define i32 @__hachi_atomic_xor32(ptr %p, i32 %v) #0 {
  %r = atomicrmw xor ptr %p, i32 %v seq_cst
  ret i32 %r
}
define i32 @__hachi_atomic_xchg32(ptr %p, i32 %v) #0 {
  %r = atomicrmw xchg ptr %p, i32 %v seq_cst
  ret i32 %r
}
define i32 @__hachi_atomic_cmpxchg32(ptr %p, i32 %old, i32 %new) #0 {
  %r = cmpxchg ptr %p, i32 %old, i32 %new seq_cst seq_cst
  %x = extractvalue { i32, i1 } %r, 0
  ret i32 %x
}

; The same without order, for which eBPF has instructions that give no result and that older kernels know.

define i64 @__hachi_atomic_add64_relaxed(ptr %p, i64 %v) #0 {
  %r = atomicrmw add ptr %p, i64 %v monotonic
  ret i64 %r
}
define i64 @__hachi_atomic_and64_relaxed(ptr %p, i64 %v) #0 {
  %r = atomicrmw and ptr %p, i64 %v monotonic
  ret i64 %r
}
define i64 @__hachi_atomic_or64_relaxed(ptr %p, i64 %v) #0 {
  %r = atomicrmw or ptr %p, i64 %v monotonic
  ret i64 %r
}
define i64 @__hachi_atomic_xor64_relaxed(ptr %p, i64 %v) #0 {
  %r = atomicrmw xor ptr %p, i64 %v monotonic
  ret i64 %r
}
define i32 @__hachi_atomic_add32_relaxed(ptr %p, i32 %v) #0 {
  %r = atomicrmw add ptr %p, i32 %v monotonic
  ret i32 %r
}
define i32 @__hachi_atomic_and32_relaxed(ptr %p, i32 %v) #0 {
  %r = atomicrmw and ptr %p, i32 %v monotonic
  ret i32 %r
}
define i32 @__hachi_atomic_or32_relaxed(ptr %p, i32 %v) #0 {
  %r = atomicrmw or ptr %p, i32 %v monotonic
  ret i32 %r
}
define i32 @__hachi_atomic_xor32_relaxed(ptr %p, i32 %v) #0 {
  %r = atomicrmw xor ptr %p, i32 %v monotonic
  ret i32 %r
}

; Loads and stores that are ordered: of these the linker makes what the instruction set has.

define i64 @__hachi_atomic_load64(ptr %p) #0 {
  %r = load atomic i64, ptr %p seq_cst, align 8
  ret i64 %r
}
define i64 @__hachi_atomic_load64_acquire(ptr %p) #0 {
  %r = load atomic i64, ptr %p acquire, align 8
  ret i64 %r
}
define void @__hachi_atomic_store64_release(ptr %p, i64 %v) #0 {
  store atomic i64 %v, ptr %p release, align 8
  ret void
}
define i32 @__hachi_atomic_load32(ptr %p) #0 {
  %r = load atomic i32, ptr %p seq_cst, align 4
  ret i32 %r
}
define i32 @__hachi_atomic_load32_acquire(ptr %p) #0 {
  %r = load atomic i32, ptr %p acquire, align 4
  ret i32 %r
}
define void @__hachi_atomic_store32_release(ptr %p, i32 %v) #0 {
  store atomic i32 %v, ptr %p release, align 4
  ret void
}

; A full barrier: the kernel orders everything around an atomic operation that returns the old value.
define void @__hachi_fence() #0 {
  %slot = alloca i64, align 8
  store volatile i64 0, ptr %slot, align 8
  %r = atomicrmw xchg ptr %slot, i64 1 seq_cst
  ret void
}

; --- control flow -------------------------------------------------------------------------------------------------

; 1, or 0 when the kernel's patience is at its end: `may_goto +1` jumps then. In bytes, since not every assembler knows it.
define i64 @__hachi_may_goto() #0 {
  %r = call i64 asm sideeffect "$0 = 0\0A.byte 0xe5, 0\0A.short 1\0A.long 0\0A$0 = 1", "=r"()
  ret i64 %r
}

; The pointer by which a program reaches what user space has at %p in an arena: `r0 = addr_space_cast(r0, 0, 1)`, in bytes as
; well. The arena is there because the instruction is only for programs that name their arena.
define ptr @__hachi_arena_cast(ptr %p, ptr %arena) #0 {
  %r = call ptr asm ".byte 0xbf, 0\0A.short 1\0A.long 1", "={r0},0,r"(ptr %p, ptr %arena)
  ret ptr %r
}

attributes #0 = { alwaysinline nounwind "no-builtins" "no-jump-tables"="true" }
attributes #1 = { noinline nounwind "no-builtins" "no-jump-tables"="true" }
