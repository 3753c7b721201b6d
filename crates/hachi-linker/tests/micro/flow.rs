// Options, enums, closures, iterators, loops, sorting, panics.

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Pass,
    Drop { reason: u32 },
    Redirect(u32, u16),
    Wide(u64),
}

#[inline(never)]
fn decide(a: u64, b: u64) -> Verdict {
    match a & 3 {
        0 => Verdict::Pass,
        1 => Verdict::Drop { reason: b as u32 },
        2 => Verdict::Redirect(b as u32, a as u16),
        _ => Verdict::Wide(b),
    }
}

#[derive(Debug)]
enum Error {
    TooShort(usize),
    BadVersion,
}

#[inline(never)]
fn parse(x: &Input) -> Result<(u64, u64), Error> {
    if x[0] & 1 == 0 {
        return Err(Error::TooShort((x[0] & 0xff) as usize));
    }
    let version = read(x, 1)?;
    Ok((version, x[2]))
}

#[inline(never)]
fn read(x: &Input, at: usize) -> Result<u64, Error> {
    x.get(at).copied().filter(|v| *v != 3).ok_or(Error::BadVersion)
}

#[inline(never)]
fn six_arguments(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> u64 {
    a.wrapping_add(b.rotate_left(1)).wrapping_add(c.rotate_left(2)) ^ d ^ e.rotate_left(4)
        ^ f.rotate_left(5)
}

#[inline(never)]
fn option_u64(v: u64) -> Option<u64> {
    (v % 5 != 0).then_some(v / 5)
}

#[inline(never)]
fn apply<F: Fn(u64) -> u64>(f: F, v: u64) -> u64 {
    f(f(v))
}

fn through_pointer(f: fn(u64) -> u64, v: u64) -> u64 {
    f(v)
}

trait Shape {
    fn area(&self) -> u64;
}
struct Square(u64);
struct Rectangle(u64, u64);
impl Shape for Square {
    fn area(&self) -> u64 {
        self.0.wrapping_mul(self.0)
    }
}
impl Shape for Rectangle {
    fn area(&self) -> u64 {
        self.0.wrapping_mul(self.1)
    }
}

struct Guard<'a>(&'a core::cell::Cell<u64>);
impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() ^ 0xff);
    }
}

fn tail_recursive(n: u64, acc: u64) -> u64 {
    if n == 0 { acc } else { tail_recursive(n - 1, acc.wrapping_mul(31).wrapping_add(n)) }
}

programs! {
    fn option_chain(x) {
        x.first().copied().filter(|v| *v > 10)
            .and_then(|v| v.checked_sub(x[1])).or(Some(x[2])).map_or(0, |v| v ^ 1)
    }

    fn option_returned(x) {
        option_u64(x[0]).unwrap_or(1) ^ option_u64(x[1]).map_or(2, |v| v + 1)
    }

    fn option_niche(x) {
        use core::num::NonZeroU32;
        let a = NonZeroU32::new(x[0] as u32);
        let b = NonZeroU32::new((x[1] & 1) as u32);
        u64::from(a.map_or(0, NonZeroU32::get)) ^ u64::from(b.is_some())
    }

    // Panics on `None`.
    fn unwrap_or_panic(x) {
        option_u64(x[0]).unwrap() ^ x.get((x[1] & 15) as usize).copied().expect("too far")
    }

    fn result_chain(x) {
        match parse(x) {
            Ok((a, b)) => a ^ b,
            Err(Error::TooShort(n)) => n as u64,
            Err(Error::BadVersion) => 0x1000,
        }
    }

    fn enum_payload(x) {
        match decide(x[0], x[1]) {
            Verdict::Pass => 1,
            Verdict::Drop { reason } => u64::from(reason),
            Verdict::Redirect(to, queue) => u64::from(to) << 16 | u64::from(queue),
            Verdict::Wide(v) => v,
        }
    }

    fn enum_compare(x) {
        u64::from(decide(x[0], x[1]) == decide(x[2], x[3]))
    }

    fn enum_from_number(x) {
        #[repr(u8)]
        #[derive(Clone, Copy)]
        enum Protocol { Icmp = 1, Tcp = 6, Udp = 17 }
        let p = match x[0] as u8 {
            1 => Some(Protocol::Icmp),
            6 => Some(Protocol::Tcp),
            17 => Some(Protocol::Udp),
            _ => None,
        };
        p.map_or(255, |p| p as u64)
    }

    fn big_match(x) {
        match x[0] as u8 {
            0 => 17, 1 => 4, 2 => 99, 3 => 3, 4 => 12, 5 => 65,
                6 => 33, 7 => 8, 8 => 21, 9 => 90, 10 => 2, 11 => 45,
            12..=40 => x[1],
            41..=100 => x[2] ^ 5,
            _ => 0,
        }
    }

    fn virtual_machine(x) {
        #[derive(Clone, Copy)]
        enum Op { Push(u64), Add, Xor, Dup, Swap, Jump(usize), Halt }
        let code = [
            Op::Push(x[0]), Op::Push(x[1]), Op::Add, Op::Dup, Op::Push(x[2]), Op::Xor,
                Op::Jump(8), Op::Halt, Op::Swap, Op::Add, Op::Halt,
        ];
        let mut stack = [0u64; 8];
        let (mut sp, mut pc) = (0usize, 0usize);
        for _ in 0..16 {
            let Some(op) = code.get(pc) else { return 1 };
            pc += 1;
            match *op {
                Op::Push(v) => { stack[sp & 7] = v; sp += 1; }
                Op::Add => {
                    sp -= 1;
                    stack[(sp - 1) & 7] = stack[(sp - 1) & 7].wrapping_add(stack[sp & 7]);
                }
                Op::Xor => { sp -= 1; stack[(sp - 1) & 7] ^= stack[sp & 7]; }
                Op::Dup => { stack[sp & 7] = stack[(sp - 1) & 7]; sp += 1; }
                Op::Swap => stack.swap((sp - 1) & 7, (sp - 2) & 7),
                Op::Jump(to) => pc = to,
                Op::Halt => break,
            }
        }
        stack[(sp - 1) & 7]
    }

    fn many_arguments(x) {
        six_arguments(x[0], x[1], x[2], x[3], x[4], x[5])
    }

    fn closures(x) {
        let k = x[1];
        apply(|v| v.wrapping_mul(3) ^ k, x[0]) ^ apply(|v| v.rotate_left(7), x[2])
    }

    fn closure_capturing_mutably(x) {
        let mut n = 0u64;
        let mut add = |v: u64| n = n.wrapping_add(v);
        add(x[0]);
        add(x[1]);
        n
    }

    fn function_pointer_known(x) {
        fn double(v: u64) -> u64 { v.wrapping_mul(2) }
        through_pointer(double, x[0])
    }

    fn dyn_known(x) {
        let shape: &dyn Shape = &Square(x[0]);
        shape.area()
    }

    fn generic_shapes(x) {
        fn total(shapes: (impl Shape, impl Shape)) -> u64 { shapes.0.area() ^ shapes.1.area() }
        total((Square(x[0]), Rectangle(x[1], x[2])))
    }

    fn iterate_sum(x) {
        x.iter().copied().filter(|v| v & 1 == 1).map(|v| v >> 1).fold(0u64, u64::wrapping_add)
    }

    fn iterate_min_max(x) {
        let min = x.iter().min().copied().unwrap_or(0);
        let max = x.iter().max().copied().unwrap_or(0);
        min ^ max.rotate_left(1)
    }

    fn iterate_zip_rev(x) {
        x.iter().zip(x.iter().rev()).enumerate().fold(0u64, |s, (i, (a, b))| s
            ^ a.wrapping_sub(*b).rotate_left(i as u32))
    }

    fn iterate_windows(x) {
        x.windows(2).filter(|w| w[0] < w[1]).count() as u64
    }

    fn iterate_chunks(x) {
        x.chunks(3).map(|c| c.iter().fold(0u64, |s, v| s ^ v))
            .fold(1u64, |s, v| s.wrapping_mul(31) ^ v)
    }

    fn iterate_any_all(x) {
        u64::from(x.iter().any(|v| *v == 7)) | (u64::from(x.iter().all(|v| *v < 1 << 40)) << 1)
    }

    fn iterate_take_skip(x) {
        x.iter().skip(1).step_by(2).take_while(|v| **v != 0).fold(0u64, |s, v| s.wrapping_add(*v))
    }

    fn iterate_chain_flat(x) {
        x[..2].iter().chain(&x[5..]).flat_map(|v| [v & 0xff, v >> 56])
            .fold(0u64, |s, v| s.wrapping_mul(7) ^ v)
    }

    fn iterate_successors(x) {
        let next = |v: &u64| (*v > 1).then(|| if v % 2 == 0 { v / 2 } else { v + 1 });
        core::iter::successors(Some(x[0] & 0xffff), next).take(20).fold(0, |s, v| s ^ v)
    }

    fn loop_bounded_variable(x) {
        let n = (x[0] & 63) as usize;
        let mut sum = 0u64;
        for i in 0..n {
            sum = sum.wrapping_add(x[i & 7] >> (i & 31));
        }
        sum
    }

    fn loop_nested_labels(x) {
        let mut found = 99u64;
        'outer: for i in 0..8u64 {
            for j in 0..8u64 {
                if i * j == (x[0] & 63) {
                    found = i * 8 + j;
                    break 'outer;
                }
            }
        }
        found
    }

    fn loop_while_let(x) {
        let mut rest = &x[..];
        let mut n = 0u64;
        while let [head, tail @ ..] = rest {
            n = n.rotate_left(3) ^ head;
            rest = tail;
        }
        n
    }

    fn sort_bubble(x) {
        let mut w = *x;
        for i in 0..w.len() {
            for j in 0..w.len() - 1 - i {
                if w[j] > w[j + 1] {
                    w.swap(j, j + 1);
                }
            }
        }
        w[0] ^ w[3].rotate_left(3) ^ w[7].rotate_left(7)
    }

    fn sort_insertion(x) {
        let mut w = [x[0], x[1], x[2], x[3]];
        for i in 1..w.len() {
            let mut j = i;
            while j > 0 && w[j - 1] > w[j] {
                w.swap(j - 1, j);
                j -= 1;
            }
        }
        w[0] ^ w[1].rotate_left(1) ^ w[2].rotate_left(2) ^ w[3].rotate_left(3)
    }

    fn binary_search(x) {
        const SORTED: [u64; 8] = [1, 3, 5, 7, 90, 110, 400, 70000];
        match SORTED.binary_search(&(x[0] & 0x1ff)) {
            Ok(at) => at as u64,
            Err(at) => 100 + at as u64,
        }
    }

    fn drop_runs(x) {
        let cell = core::cell::Cell::new(x[0]);
        {
            let _guard = Guard(&cell);
            cell.set(cell.get().wrapping_add(1));
        }
        cell.get()
    }

    fn tail_recursion(x) {
        tail_recursive(x[0] & 15, x[1])
    }

    fn count_equal_bytes(x) {
        // A sum of comparisons: each must not double the verifier's work.
        let (a, b) = (x[0].to_le_bytes(), x[1].to_le_bytes());
        let (c, d) = (x[2].to_le_bytes(), x[3].to_le_bytes());
        let one = a.iter().zip(&b).filter(|(p, q)| p == q).count();
        let two = c.iter().zip(&d).map(|(p, q)| u64::from(p == q)).sum::<u64>();
        one as u64 * 16 + two
    }

    fn count_matching(x) {
        let mut n = 0u64;
        for v in x {
            for shift in [0, 8, 16, 24, 32, 40, 48, 56] {
                n += u64::from((v >> shift) & 0xff == 0);
            }
        }
        n
    }

    fn assertion(x) {
        assert!(x[0] != 5, "never five");
        assert_eq!(x[1] & 1, x[1] % 2);
        x[0]
    }

    fn explicit_panic(x) {
        match x[0] & 3 {
            0 => panic!("value {}", x[1]),
            1 => unreachable!(),
            2 => todo!(),
            _ => x[2],
        }
    }

    fn debug_never_printed(x) {
        // Formatting in a message that can never be shown is dropped with the message.
        parse(x).expect("must parse").0
    }

    fn tuple_and_mem(x) {
        let mut a = (x[0], x[1] as u32, x[2] as u8);
        let old = core::mem::replace(&mut a.0, x[3]);
        let taken = core::mem::take(&mut a.1);
        core::mem::swap(&mut a.0, &mut { old });
        a.0 ^ old ^ u64::from(taken) ^ u64::from(a.2)
    }

    fn unions(x) {
        #[repr(C)]
        union Word { whole: u64, halves: [u32; 2], bytes: [u8; 8] }
        let w = Word { whole: x[0] };
        // SAFETY: all bit patterns are valid in all three views.
        unsafe { u64::from(w.halves[1]) ^ (u64::from(w.bytes[2]) << 32) }
    }

    fn manually_maybe_uninit(x) {
        let mut slot = core::mem::MaybeUninit::<[u64; 4]>::uninit();
        slot.write([x[0], x[1], x[2], x[3]]);
        // SAFETY: written just above.
        let a = unsafe { slot.assume_init() };
        a[(x[4] & 3) as usize]
    }

    fn ranges(x) {
        u64::from((10..20).contains(&x[0])) | (u64::from((1..=5).contains(&(x[1] as u8))) << 1)
            | ((3..9).rev().map(|i: u64| i & x[2]).sum::<u64>() << 2)
    }

    fn chars(x) {
        let c = char::from_u32((x[0] & 0x1f_ffff) as u32).unwrap_or('?');
        u64::from(c as u32) ^ u64::from(c.is_ascii_digit())
            ^ (c.to_digit(16).map_or(0, u64::from) << 32) ^ ((c.len_utf8() as u64) << 40)
    }

    fn ip_addresses(x) {
        let v4 = core::net::Ipv4Addr::from_bits(x[0] as u32);
        let v6 = core::net::Ipv6Addr::from_bits(u128::from(x[1]) << 64 | u128::from(x[2]));
        u64::from(v4.is_private()) | (u64::from(v4.is_loopback()) << 1)
            | (u64::from(v6.is_multicast()) << 2) | (u64::from(v4.octets()[3]) << 8)
    }

    fn durations(x) {
        let d = core::time::Duration::from_nanos(x[0]);
        d.as_secs() ^ u64::from(d.subsec_millis())
    }
}
