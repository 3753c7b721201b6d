//! Padding in what programs written for Aya send: keys, values and events.
//!
//! Aya lets a program pass on any type. Bytes that lie between fields or behind them are written by
//! nothing, so that equal keys differ, and what was on the stack gets out. Hachi's own crates
//! refuse such types when they are compiled; here the bytes are zeroed before the helper reads
//! them, and the author is told once for each map.

use std::collections::BTreeSet;

use hachi_asm::helpers::id;

use super::loops;
use crate::{
    Diagnostic,
    llvm::{Inst, Module, Op, Value},
};

/// The section by which `hachi-aya-ebpf` says that it is there.
const OF_FACADES: &str = ".hachi.license";

/// No alignment leaves more bytes than this between two fields.
const WIDEST: u64 = 15;

/// Goes through all functions, if the program is written for Aya; gives warnings. To be done after
/// optimisation, while copies and fills are whole.
pub(super) fn zero(module: Module) -> Vec<Diagnostic> {
    let mut globals = module.globals().into_iter();
    if !globals.any(|global| global.section() == OF_FACADES) {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    let mut known = BTreeSet::new();
    for function in module.functions() {
        if function.is_declaration() {
            continue;
        }
        for call in function.instructions() {
            for sent in sent(call) {
                let gaps = gaps(module, call, &sent);
                let total: u64 = gaps.iter().map(|(_, len)| len).sum();
                if total == 0 {
                    continue;
                }
                let name = map(call, &sent).map_or_else(String::new, Value::name);
                if known.insert((name.clone(), sent.what)) {
                    warnings.push(warning(call, &name, sent.what, &gaps, total));
                }
                for gap in gaps {
                    fill(module, call, &sent, gap);
                }
            }
        }
    }
    warnings
}

/// What a helper reads and others will see.
struct Sent {
    what: &'static str,
    /// Which argument has its address.
    at: u32,
    /// Which has its length.
    length: Option<u32>,
    /// Which is the map.
    map: Option<u32>,
}

fn sent(call: Inst) -> Vec<Sent> {
    let sent = |what, at, length, map| Sent {
        what,
        at,
        length,
        map,
    };
    let key = || sent("key", 1, None, Some(0));
    match helper(call) {
        Some(id::MAP_LOOKUP_ELEM | id::MAP_DELETE_ELEM | id::MAP_LOOKUP_PERCPU_ELEM) => {
            vec![key()]
        }
        Some(id::MAP_UPDATE_ELEM) => vec![key(), sent("value", 2, None, Some(0))],
        Some(id::MAP_PUSH_ELEM) => vec![sent("value", 1, None, Some(0))],
        Some(id::PERF_EVENT_OUTPUT | id::SKB_OUTPUT | id::XDP_OUTPUT) => {
            vec![sent("event", 3, Some(4), Some(1))]
        }
        Some(id::RINGBUF_OUTPUT) => vec![sent("event", 1, Some(2), Some(0))],
        Some(id::RINGBUF_SUBMIT) => vec![sent("event", 0, None, None)],
        _ => Vec::new(),
    }
}

fn helper(call: Inst) -> Option<u32> {
    if call.op() != Op::CALL || !call.callee().is_helper_number() {
        return None;
    }
    let number = call.callee().strip_casts().operand(0).as_u64()?;
    u32::try_from(number).ok()
}

/// The map that it goes to, or comes from the buffer of.
fn map(call: Inst, sent: &Sent) -> Option<Value> {
    let arguments = call.arguments();
    match sent.map {
        Some(index) => arguments.get(index as usize).copied(),
        None => arguments.first()?.as_inst()?.arguments().first().copied(),
    }
}

/// Runs of bytes (start, length) that nothing writes, in an object of known size that is sent from
/// its start.
fn gaps(module: Module, call: Inst, sent: &Sent) -> Vec<(u64, u64)> {
    let Some((object, size)) = object(module, call, sent) else {
        return Vec::new();
    };
    let mut written = vec![false; usize::try_from(size).unwrap_or(0)];
    if !mark(module, object, object, &mut written) || !written.contains(&true) {
        return Vec::new();
    }
    let mut gaps: Vec<(u64, u64)> = Vec::new();
    for (at, _) in (0..size)
        .zip(&written)
        .filter(|(_, is_written)| !**is_written)
    {
        match gaps.last_mut() {
            Some((start, len)) if *start + *len == at => *len += 1,
            _ => gaps.push((at, 1)),
        }
    }
    gaps.retain(|(_, len)| *len <= WIDEST);
    gaps
}

/// The stack slot or the record of a ring buffer that is sent, and how many bytes of it.
fn object(module: Module, call: Inst, sent: &Sent) -> Option<(Inst, u64)> {
    let arguments = call.arguments();
    let place = loops::place(module, *arguments.get(sent.at as usize)?);
    let object = place.root.as_inst()?;
    if place.constant != 0 || !place.terms.is_empty() {
        return None;
    }
    let size = match object.op() {
        Op::ALLOCA => module.size_of(object.allocated_type()),
        _ if helper(object) == Some(id::RINGBUF_RESERVE) => object.arguments().get(1)?.as_u64()?,
        _ => return None,
    };
    let length = match sent.length {
        Some(index) => arguments.get(index as usize)?.as_u64()?,
        None => size,
    };
    (size <= 512).then_some((object, size.min(length)))
}

/// Marks the bytes of `object` that are written through `pointer`; `false` if that cannot be told.
fn mark(module: Module, object: Inst, pointer: Inst, written: &mut [bool]) -> bool {
    let place = loops::place(module, pointer.0);
    if place.root != object.0 || !place.terms.is_empty() {
        return false;
    }
    let mut cover = |len: Option<u64>| {
        let start = usize::try_from(place.constant).unwrap_or(usize::MAX);
        let end = len.and_then(|len| usize::try_from(place.constant.saturating_add(len)).ok());
        let end = end.unwrap_or(written.len()).min(written.len());
        if let Some(bytes) = written.get_mut(start..end) {
            bytes.fill(true);
        }
    };
    let mut onwards = Vec::new();
    for user in pointer.0.users() {
        let Some(user) = user.as_inst() else {
            return false;
        };
        match user.op() {
            Op::LOAD | Op::ICMP => {}
            Op::STORE if user.0.operand(0) == pointer.0 => return false,
            Op::STORE => cover(Some(module.size_of(user.0.operand(0).ty()))),
            Op::GEP => onwards.push(user),
            Op::CALL => {
                let arguments = user.arguments();
                let name = user
                    .called_function()
                    .map(|it| it.name())
                    .unwrap_or_default();
                let is_memory = ["llvm.memcpy.", "llvm.memmove.", "llvm.memset."]
                    .iter()
                    .any(|start| name.starts_with(start));
                if name.starts_with("llvm.lifetime.") {
                    continue;
                }
                if is_memory {
                    if arguments.first() == Some(&pointer.0) {
                        cover(arguments.get(2).and_then(|len| len.as_u64()));
                    }
                    continue;
                }
                if helper(user).is_none() {
                    return false;
                }
                let reads = sent(user);
                for (index, argument) in arguments.iter().enumerate() {
                    let is_read = reads.iter().any(|sent| sent.at as usize == index)
                        || helper(user) == Some(id::RINGBUF_DISCARD);
                    if *argument == pointer.0 && !is_read {
                        // It may write as much as the next argument says.
                        cover(arguments.get(index + 1).and_then(|len| len.as_u64()));
                    }
                }
            }
            _ => return false,
        }
    }
    onwards
        .into_iter()
        .all(|pointer| mark(module, object, pointer, written))
}

fn fill(module: Module, call: Inst, sent: &Sent, (at, len): (u64, u64)) {
    let (byte, i64_type) = (module.context.int_type(8), module.context.int_type(64));
    let builder = module.context.builder().before(call).located_like(call);
    let object = call.0.operand(sent.at);
    let address = builder.byte_address(byte, object, i64_type.number(at));
    builder.fill_memory((address, 1), byte.zero(), i64_type.number(len));
}

fn warning(call: Inst, map: &str, what: &str, gaps: &[(u64, u64)], total: u64) -> Diagnostic {
    let bytes = if total == 1 { "byte" } else { "bytes" };
    let fields: Vec<String> = gaps
        .iter()
        .map(|(at, len)| format!("`[u8; {len}]` at byte {at}"))
        .collect();
    let fields = fields.join(", ");
    let a = if what == "event" { "an" } else { "a" };
    let headline =
        format!("{total} {bytes} of {a} {what} of `{map}` are padding, which is sent as zeros");
    Diagnostic::new(crate::Severity::Warning, headline)
        .note(format!("`{}` sends it", call.function().name()))
        .help(format!(
            "give the type a field for them, with zeros in it: {fields}"
        ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    const AYA: &str = "@assumed = constant [4 x i8] c\"GPL\\00\", section \".hachi.license\"\n\
                       @M = global i64 0\n";

    fn zeroed(head: &str, body: &str) -> (String, Vec<String>) {
        let mut headlines = Vec::new();
        let text = after(
            &format!(
                "{head}declare void @g(ptr)
                 declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
                 define void @f(i32 %a, i8 %b) {{
                   %key = alloca [8 x i8], align 8
                   store i32 %a, ptr %key
                   {body}
                   %r = call ptr inttoptr (i64 1 to ptr)(ptr @M, ptr %key)
                   ret void
                 }}"
            ),
            |module| {
                headlines.extend(zero(module).into_iter().map(|d| d.headline));
            },
        );
        (text, headlines)
    }

    const BYTE: &str = "%p = getelementptr i8, ptr %key, i64 4
                        store i8 %b, ptr %p";

    #[test]
    fn bytes_behind_the_last_field_are_zeroed() {
        let (text, warnings) = zeroed(AYA, BYTE);
        assert_eq!(lines(&text, "call void @llvm.memset"), 1, "{text}");
        assert!(text.contains("i8 0, i64 3, i1"), "{text}");
        assert_eq!(
            warnings,
            ["3 bytes of a key of `M` are padding, which is sent as zeros"]
        );
    }

    #[test]
    fn programs_of_hachi_are_left_alone() {
        let (text, warnings) = zeroed("@M = global i64 0\n", BYTE);
        assert_eq!(lines(&text, "call void @llvm.memset"), 0, "{text}");
        assert!(warnings.is_empty());
    }

    #[test]
    fn keys_without_padding_and_unknown_writers_are_left_alone() {
        for body in [
            "%p = getelementptr i8, ptr %key, i64 4
             store i32 %a, ptr %p",
            "call void @g(ptr %key)",
            "%n = zext i8 %b to i64
             %p = getelementptr i8, ptr %key, i64 %n
             store i8 %b, ptr %p",
            "%p = getelementptr i8, ptr %key, i64 4
             %x = call i64 inttoptr (i64 16 to ptr)(ptr %p, i32 4)",
        ] {
            let (text, warnings) = zeroed(AYA, body);
            assert_eq!(lines(&text, "call void @llvm.memset"), 0, "{text}");
            assert!(warnings.is_empty());
        }
    }
}
