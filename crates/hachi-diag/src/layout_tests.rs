use super::*;
use crate::{Applicability, Code};

const RATIO: &str = "    let share = part / whole;";

fn place(line: u32, column: u32) -> Span {
    Span::new("src/main.rs", line, column)
}

fn text(d: &Diagnostic) -> String {
    d.to_string()
}

#[test]
fn a_place_with_its_text_is_marked() {
    let d = Diagnostic::error(Code::FLOATING_POINT, "no floats")
        .at(place(12, 17).with_text(RATIO).labelled("this is an `f64`"))
        .in_function("firewall::ratio")
        .note("seen")
        .help("use integers");
    assert_eq!(
        text(&d),
        "\
error[floating-point]: no floats
  --> src/main.rs:12:17 in `firewall::ratio`
   |
12 |     let share = part / whole;
   |                 ^^^^ this is an `f64`
   |
   = note: seen
   = help: use integers"
    );
}

#[test]
fn without_a_text_the_place_is_named() {
    let mut d = Diagnostic::warning(Code::MAY_PANIC, "this can panic").at(place(3, 9));
    assert_eq!(
        text(&d),
        "warning[may-panic]: this can panic\n --> src/main.rs:3:9"
    );
    d = d.help("do not").in_function("f");
    assert_eq!(
        text(&d),
        "warning[may-panic]: this can panic\n --> src/main.rs:3:9 in `f`\n  = help: do not"
    );
    d.primary = None;
    assert_eq!(
        text(&d),
        "warning[may-panic]: this can panic\n --> in `f`\n  = help: do not"
    );
}

#[test]
fn places_of_one_file_share_a_snippet_and_gaps_are_dotted() {
    let d = Diagnostic::error(Code::PACKET_BOUNDS, "too far")
        .at(place(44, 9).with_text("    let ttl = 1;").labelled("here"))
        .with(
            place(39, 9)
                .with_text("    let start = 0;")
                .labelled("from here"),
        )
        .with(
            place(43, 9)
                .with_text("    let next = 0;")
                .labelled("by way of"),
        )
        .with(
            Span::new("b.rs", 7, 1)
                .with_text("fn b() {}")
                .labelled("in `b`"),
        )
        .with(Span::new("c.rs", 8, 0).labelled("nobody knows"));
    assert_eq!(
        text(&d),
        "\
error[packet-bounds]: too far
  --> src/main.rs:44:9
   |
39 |     let start = 0;
   |         ----- from here
...
43 |     let next = 0;
   |         ---- by way of
44 |     let ttl = 1;
   |         ^^^ here
  ::: b.rs:7:1
   |
 7 | fn b() {}
   | -- in `b`
  ::: c.rs:8: nobody knows"
    );
}

#[test]
fn labels_of_one_line_hang_below_each_other() {
    let line = "    let entry = table[index];";
    let d = Diagnostic::error(Code::MAP_VALUE_BOUNDS, "too far")
        .at(place(7, 17).with_text(line).labelled("the access"))
        .with(place(7, 9).with_text(line).labelled("the result"))
        .with(place(7, 23).with_text(line).labelled("the index"));
    assert_eq!(
        text(&d),
        "\
error[map-value-bounds]: too far
 --> src/main.rs:7:17
  |
7 |     let entry = table[index];
  |         -----   ^^^^^ ----- the index
  |         |       |
  |         |       the access
  |         |
  |         the result"
    );
}

#[test]
fn the_calls_by_which_it_was_inlined_are_shown() {
    let d = Diagnostic::error(Code::FLOATING_POINT, "no floats")
        .at(place(3, 9).in_function("a::ratio"))
        .inlined_at(
            place(8, 13)
                .with_text("    let x = ratio(y);")
                .in_function("a::inner"),
        )
        .inlined_at(place(20, 5).in_function("a::main"))
        .note("seen");
    assert_eq!(
        text(&d),
        "\
error[floating-point]: no floats
  --> src/main.rs:3:9 in `a::ratio`
  ::: src/main.rs:8:13 in `a::inner`
   |
 8 |     let x = ratio(y);
   |             ----- inlined here
  ::: src/main.rs:20:5 in `a::main` (inlined here)
   |
   = note: seen"
    );
}

#[test]
fn notes_with_places_and_edits_have_blocks_of_their_own() {
    let mut insertion = place(2, 1).with_text("static MAP: A = a();");
    insertion.end_column = insertion.column;
    let d = Diagnostic::error(Code::STATIC_INSTEAD_OF_MAP, "no map")
        .at(place(9, 5).with_text("    MAP.get(0)"))
        .note_at(
            "it is declared here",
            place(2, 1).with_text("static MAP: A = a();"),
        )
        .suggest(
            "put `#[map]` before it",
            [Edit::new(
                insertion,
                "#[map]\n",
                Applicability::MachineApplicable,
            )],
        );
    assert_eq!(
        text(&d),
        "\
error[static-instead-of-map]: no map
 --> src/main.rs:9:5
  |
9 |     MAP.get(0)
  |     ^^^
note: it is declared here
 --> src/main.rs:2:1
  |
2 | static MAP: A = a();
  | ^^^^^^
help: put `#[map]` before it
 --> src/main.rs:2:1
  |
2 - static MAP: A = a();
2 + #[map]
2 + static MAP: A = a();"
    );
}

#[test]
fn deceptive_characters_are_escaped() {
    let line = "\tlet a = \"\u{202e}\u{1b}[31m\";";
    let d = Diagnostic::error(Code::PACKET_BOUNDS, "bad \u{1b}[2J name\nsecond line")
        .at(Span::new("src/\u{7}.rs", 3, 6).with_text(line))
        .note("two\nlines \u{200f}");
    assert_eq!(
        text(&d),
        "\
error[packet-bounds]: bad \\x1b[2J name\\nsecond line
 --> src/\\x07.rs:3:6
  |
3 |     let a = \"\\u{202e}\\x1b[31m\";
  |         ^
  |
  = note: two
          lines \\u{200f}"
    );
}

#[test]
fn a_long_line_is_cut_around_its_mark() {
    let line = format!("{}here{}", "a ".repeat(500), " b".repeat(500));
    let d = Diagnostic::error(Code::PACKET_BOUNDS, "too far")
        .at(place(1, 1001).with_text(line).labelled("this"));
    let text = text(&d);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[3].starts_with("1 | ...a ") && lines[3].ends_with("..."),
        "{text}"
    );
    assert!(lines[3].chars().count() < MAX_WIDTH + 10, "{text}");
    let mark = lines[4].find("^^^^ this").unwrap();
    assert_eq!(lines[3].find("here"), Some(mark), "{text}");
}

#[test]
fn places_that_make_no_sense_are_drawn_all_the_same() {
    for (line, column, end_line, end_column) in [
        (0, 0, 0, 0),
        (u32::MAX, u32::MAX, u32::MAX, u32::MAX),
        (5, 3, 2, 1),
        (5, 900, 5, 901),
        (5, 3, 9, 1),
    ] {
        for source in ["", "short", "\t"] {
            let mut span = Span::new("f.rs", line, column).labelled("l");
            (span.end_line, span.end_column) = (end_line, end_column);
            span.text = source.into();
            let d = Diagnostic::error(Code::PACKET_BOUNDS, "h")
                .at(span.clone())
                .with(span.clone())
                .inlined_at(span.clone())
                .note_at("n", span.clone())
                .suggest("s", [Edit::new(span, "r", Applicability::MaybeIncorrect)]);
            assert!(text(&d).starts_with("error[packet-bounds]: h\n"));
        }
    }
}

#[cfg(feature = "render")]
#[test]
fn wide_characters_take_two_columns() {
    let d = Diagnostic::error(Code::PACKET_BOUNDS, "h").at(place(1, 4).with_text("蜂蜂 bee"));
    let text = text(&d);
    assert!(text.ends_with("1 | 蜂蜂 bee\n  |      ^^^"), "{text}");
}
