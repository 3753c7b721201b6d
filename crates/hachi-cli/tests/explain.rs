//! The pages of diagnostics.

mod support;

use support::{hachi, keys};

#[test]
fn a_page_is_printed_without_its_fences() {
    hachi(["explain", "packet-bounds"]).code(0).prints(&[
        "packet-bounds\n",
        "Rejected\n",
        "    #[xdp]\n",
        "data_end",
    ]);
    let page = hachi(["explain", "packet-bounds"]).stdout;
    assert!(!page.contains("```"), "{page}");
}

#[test]
fn all_codes_are_listed_one_a_line() {
    let list = hachi(["explain"]).code(0).stdout;
    let document = hachi(["explain", "--json"]).code(0).json();
    let codes = document["codes"].as_array().unwrap();
    assert!(codes.len() > 100);
    assert_eq!(list.lines().count(), codes.len() + 1, "{list}");
    for code in codes {
        assert_eq!(keys(code), ["code", "found_by", "meaning"]);
        let name = code["code"].as_str().unwrap();
        assert!(list.lines().any(|line| line.starts_with(name)), "{name}");
    }
}

#[test]
fn the_document_holds_the_page() {
    let document = hachi(["explain", "recursion", "--json"]).code(0).json();
    assert_eq!(keys(&document), ["code", "found_by", "meaning", "page"]);
    assert_eq!(
        document["found_by"],
        serde_json::json!(["linker", "kernel"])
    );
    assert!(
        document["page"]
            .as_str()
            .unwrap()
            .contains("```rust rejected")
    );
}

#[test]
fn an_unknown_code_is_refused_and_similar_ones_are_named() {
    hachi(["explain", "packet-bound"])
        .code(2)
        .says(&["there is no code `packet-bound`", "`packet-bounds`"]);
    hachi(["explain", "E0308"])
        .code(2)
        .says(&["there is no code `E0308`", "lists all codes"]);
}
