//! Graphs of code: control flow and calls, as text, DOT or SVG.

pub mod flow;
mod svg;

use std::fmt::Write as _;

use hachi_diag::printable;
use serde_json::{Value, json};

/// Boxes of lines, and arrows between them.
#[derive(Debug, Default)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

#[derive(Debug)]
pub struct Node {
    pub title: String,
    pub lines: Vec<String>,
    /// How hot it is, from 0 to 1; `None` when nobody has counted.
    pub heat: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub label: String,
}

/// The forms that a graph can be printed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Boxes one after the other, with where each leads
    Text,
    /// For Graphviz
    Dot,
    /// A picture, laid out here
    Svg,
}

impl Graph {
    pub fn print(&self, form: Form) -> String {
        match form {
            Form::Text => self.text(),
            Form::Dot => self.dot(),
            Form::Svg => svg::draw(self),
        }
    }

    /// Another graph's boxes and arrows beside these.
    pub fn append(&mut self, other: Graph) {
        let before = self.nodes.len();
        self.nodes.extend(other.nodes);
        self.edges.extend(other.edges.into_iter().map(|edge| Edge {
            from: edge.from + before,
            to: edge.to + before,
            ..edge
        }));
    }

    /// The same for programs to read.
    pub fn json(&self) -> Value {
        let nodes = self
            .nodes
            .iter()
            .map(|node| json!({ "title": node.title, "lines": node.lines, "heat": node.heat }));
        let edges = self
            .edges
            .iter()
            .map(|edge| json!({ "from": edge.from, "to": edge.to, "label": edge.label }));
        json!({
            "blocks": nodes.collect::<Vec<_>>(),
            "edges": edges.collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let mut out = String::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let heat = match node.heat {
                Some(heat) => format!("  ({:.0} %)", heat * 100.0),
                None => String::new(),
            };
            let _ = writeln!(out, "{}{heat}", printable(&node.title));
            for line in &node.lines {
                let _ = writeln!(out, "  {}", printable(line));
            }
            for edge in self.edges.iter().filter(|edge| edge.from == at) {
                let to = self.nodes.get(edge.to).map_or("", |node| &node.title);
                let label = match edge.label.is_empty() {
                    true => String::new(),
                    false => format!("{}: ", edge.label),
                };
                let _ = writeln!(out, "  -> {}{}", printable(&label), printable(to));
            }
            out.push('\n');
        }
        out
    }

    fn dot(&self) -> String {
        let mut out = String::from("digraph code {\n  node [shape=box, fontname=monospace];\n");
        for (at, node) in self.nodes.iter().enumerate() {
            let mut label = format!("{}\\l", quoted(&node.title));
            for line in &node.lines {
                label.push_str(&quoted(line));
                label.push_str("\\l");
            }
            let colour = match node.heat {
                Some(heat) => format!(", style=filled, fillcolor=\"{}\"", colour(heat)),
                None => String::new(),
            };
            let _ = writeln!(out, "  n{at} [label=\"{label}\"{colour}];");
        }
        for edge in &self.edges {
            let label = match edge.label.is_empty() {
                true => String::new(),
                false => format!(" [label=\"{}\"]", quoted(&edge.label)),
            };
            let _ = writeln!(out, "  n{} -> n{}{label};", edge.from, edge.to);
        }
        out.push_str("}\n");
        out
    }
}

/// Text within the quotes of DOT.
fn quoted(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('"', "\\\"")
}

/// From white to red.
fn colour(heat: f64) -> String {
    let cold = 255.0 - heat.clamp(0.0, 1.0) * 160.0;
    format!("#ff{0:02x}{0:02x}", cold as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn loops() -> Graph {
        let node = |title: &str, heat| Node {
            title: title.to_owned(),
            lines: vec!["r0 = \"x\" & 1 < 2".to_owned(), "\u{202e}exit".to_owned()],
            heat,
        };
        let edge = |from, to, label: &str| Edge {
            from,
            to,
            label: label.to_owned(),
        };
        Graph {
            nodes: vec![
                node("entry", None),
                node("body", Some(1.0)),
                node("end", Some(0.0)),
            ],
            edges: vec![
                edge(0, 1, ""),
                edge(1, 1, "taken"),
                edge(1, 2, "not taken"),
                edge(2, 0, ""),
            ],
        }
    }

    #[test]
    fn text_names_where_each_box_leads() {
        let text = loops().print(Form::Text);
        assert!(text.starts_with("entry\n  r0 = \"x\" & 1 < 2\n  \\u{202e}exit\n  -> body\n\n"));
        assert!(text.contains("body  (100 %)"));
        assert!(
            text.contains("  -> taken: body\n  -> not taken: end\n"),
            "{text}"
        );
    }

    #[test]
    fn dot_has_all_boxes_and_arrows_with_quotes_escaped() {
        let dot = loops().print(Form::Dot);
        assert!(
            dot.contains(r#"n0 [label="entry\lr0 = \"x\" & 1 < 2\l\\u{202e}exit\l"];"#),
            "{dot}"
        );
        assert!(dot.contains("n1 -> n2 [label=\"not taken\"];"));
        assert!(dot.contains("fillcolor=\"#ff5f5f\""));
    }

    #[test]
    fn svg_is_well_formed_and_has_all_text() {
        let svg = loops().print(Form::Svg);
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
        for part in [
            "entry",
            "r0 = &quot;x&quot; &amp; 1 &lt; 2",
            "not taken",
            "#ff5f5f",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert!(!svg.contains('\u{202e}'));
        // Every element that is opened is closed.
        let opened = svg.matches('<').count() - svg.matches("</").count();
        let closed = svg.matches("/>").count() + svg.matches("</").count();
        assert_eq!(opened, closed, "{svg}");
    }

    #[test]
    fn graphs_without_boxes_are_drawn_too() {
        let empty = Graph::default();
        assert!(empty.print(Form::Svg).contains("<svg"));
        assert_eq!(empty.print(Form::Text), "");
    }
}
