//! A graph as a picture: the layout is a crate's, the drawing ours.

use std::fmt::Write as _;

use hachi_diag::printable;
use layout::core::base::Orientation;
use layout::core::format::{ClipHandle, RenderBackend};
use layout::core::geometry::Point;
use layout::core::style::StyleAttr;
use layout::std_shapes::shapes::{Arrow, Element, ShapeKind};
use layout::topo::layout::VisualGraph;

use super::{Graph, colour};

/// The size of a character of the font, and the room around text.
const WIDTH: f64 = 7.3;
const HEIGHT: f64 = 15.0;
const MARGIN: f64 = 8.0;

pub fn draw(graph: &Graph) -> String {
    let mut canvas = Canvas {
        graph,
        out: String::new(),
        width: 0.0,
        height: 0.0,
    };
    if !graph.nodes.is_empty() {
        let mut visual = VisualGraph::new(Orientation::TopToBottom);
        let mut handles = Vec::new();
        for (at, node) in graph.nodes.iter().enumerate() {
            let longest = node.lines.iter().chain([&node.title]);
            let longest = longest.map(|line| printable(line).chars().count()).max();
            let size = Point::new(
                longest.unwrap_or(0) as f64 * WIDTH + 2.0 * MARGIN,
                (node.lines.len() + 1) as f64 * HEIGHT + 2.0 * MARGIN,
            );
            // The text is found again by its number.
            let shape = ShapeKind::new_box(&at.to_string());
            let look = StyleAttr::simple();
            handles.push(visual.add_node(Element::create(
                shape,
                look,
                Orientation::TopToBottom,
                size,
            )));
        }
        for edge in &graph.edges {
            let ends = (handles.get(edge.from), handles.get(edge.to));
            if let (Some(from), Some(to)) = ends {
                visual.add_edge(Arrow::simple(&printable(&edge.label)), *from, *to);
            }
        }
        visual.do_it(false, false, false, &mut canvas);
    }
    canvas.finish()
}

/// Takes what the layout says and writes it.
struct Canvas<'g> {
    graph: &'g Graph,
    out: String,
    width: f64,
    height: f64,
}

impl Canvas<'_> {
    fn grow(&mut self, x: f64, y: f64) {
        self.width = self.width.max(x + MARGIN);
        self.height = self.height.max(y + MARGIN);
    }

    fn finish(self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0}\" height=\"{1:.0}\" \
             viewBox=\"0 0 {0:.0} {1:.0}\">\n<defs><marker id=\"end\" markerWidth=\"10\" \
             markerHeight=\"7\" refX=\"10\" refY=\"3.5\" orient=\"auto\"><polygon points=\"0 0, \
             10 3.5, 0 7\"/></marker></defs>\n<style>text {{ font: 12px monospace; white-space: \
             pre; }} path {{ fill: none; stroke: #444; }} .title {{ font-weight: bold; \
             }}</style>\n{2}</svg>\n",
            self.width.max(1.0),
            self.height.max(1.0),
            self.out
        )
    }

    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let text = escaped(text);
        let _ = writeln!(
            self.out,
            "<text x=\"{x:.1}\" y=\"{y:.1}\"{class}>{text}</text>"
        );
    }
}

/// Text that is not markup.
fn escaped(text: &str) -> String {
    let text = printable(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c => out.push(c),
        }
    }
    out
}

impl RenderBackend for Canvas<'_> {
    fn draw_rect(
        &mut self,
        xy: Point,
        size: Point,
        _: &StyleAttr,
        properties: Option<String>,
        _: Option<ClipHandle>,
    ) {
        let _ = properties;
        self.grow(xy.x + size.x, xy.y + size.y);
        // The colour comes with the text, which says which box it is.
        let _ = writeln!(
            self.out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"white\" \
             stroke=\"#444\"/>",
            xy.x, xy.y, size.x, size.y
        );
    }

    fn draw_line(&mut self, start: Point, stop: Point, _: &StyleAttr, _: Option<String>) {
        self.grow(stop.x, stop.y);
        let _ = writeln!(
            self.out,
            "<path d=\"M {:.1} {:.1} L {:.1} {:.1}\"/>",
            start.x, start.y, stop.x, stop.y
        );
    }

    fn draw_circle(&mut self, _: Point, _: Point, _: &StyleAttr, _: Option<String>) {}

    fn draw_text(&mut self, xy: Point, text: &str, _: &StyleAttr) {
        let graph = self.graph;
        let Some(node) = text.parse().ok().and_then(|at: usize| graph.nodes.get(at)) else {
            // A label of an arrow.
            let half = text.chars().count() as f64 * WIDTH / 2.0;
            return self.text(xy.x - half, xy.y + 4.0, "", text);
        };
        let longest = node.lines.iter().chain([&node.title]);
        let longest = longest.map(|line| printable(line).chars().count()).max();
        let width = longest.unwrap_or(0) as f64 * WIDTH;
        let height = (node.lines.len() + 1) as f64 * HEIGHT;
        let (left, top) = (xy.x - width / 2.0, xy.y - height / 2.0);
        if let Some(heat) = node.heat {
            let _ = writeln!(
                self.out,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\" \
                 stroke=\"#444\"/>",
                left - MARGIN,
                top - MARGIN,
                width + 2.0 * MARGIN,
                height + 2.0 * MARGIN,
                colour(heat)
            );
        }
        self.text(left, top + 11.0, " class=\"title\"", &node.title);
        for (at, line) in node.lines.iter().enumerate() {
            self.text(left, top + 11.0 + (at + 1) as f64 * HEIGHT, "", line);
        }
    }

    fn draw_arrow(
        &mut self,
        path: &[(Point, Point)],
        _: bool,
        head: (bool, bool),
        _: &StyleAttr,
        _: Option<String>,
        text: &str,
    ) {
        let [(start, first), rest @ ..] = path else {
            return;
        };
        let mut d = format!("M {:.1} {:.1}", start.x, start.y);
        let mut control = *first;
        for (at, (one, two)) in rest.iter().enumerate() {
            // The first of a later pair leads in, the second is where it arrives.
            let lead = if at == 0 { control } else { *one };
            let _ = write!(
                d,
                " C {:.1} {:.1}, {:.1} {:.1}, {:.1} {:.1}",
                control.x, control.y, one.x, one.y, two.x, two.y
            );
            control = Point::new(2.0 * two.x - one.x, 2.0 * two.y - one.y);
            self.grow(lead.x, lead.y);
            self.grow(two.x, two.y);
        }
        let marker = |is_there: bool, which: &str| match is_there {
            true => format!(" marker-{which}=\"url(#end)\""),
            false => String::new(),
        };
        let (at_start, at_end) = (marker(head.0, "start"), marker(head.1, "end"));
        let _ = writeln!(self.out, "<path d=\"{d}\"{at_start}{at_end}/>");
        if !text.is_empty() {
            let (_, end) = path[path.len() / 2];
            self.text(end.x + 4.0, end.y, "", text);
        }
    }

    fn create_clip(&mut self, _: Point, _: Point, _: usize) -> ClipHandle {
        0
    }
}
