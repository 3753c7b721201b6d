//! A cost at several sizes of the work, ours and a peer's.

use serde_json::{Value, json};

/// How much larger than the peer's our exponent may be: what is left of noise in medians.
const SLACK: f64 = 0.1;

pub struct Curve {
    /// Of its files, too.
    pub name: String,
    /// What the work is counted in.
    pub work: &'static str,
    /// What the cost is counted in.
    pub unit: &'static str,
    pub peer: &'static str,
    pub points: Vec<Point>,
    /// The largest ratio, ours to the peer's, at the right end. Ratios may have none.
    pub limit: Option<f64>,
}

#[derive(Clone, Copy)]
pub struct Point {
    pub work: f64,
    pub ours: f64,
    pub theirs: f64,
}

/// One of the costs of a point.
pub type Cost = fn(&Point) -> f64;

impl Curve {
    /// The exponents, ours and the peer's.
    pub fn exponents(&self) -> [f64; 2] {
        [|point: &Point| point.ours, |point: &Point| point.theirs].map(|cost: Cost| {
            let points: Vec<_> = self.points.iter().map(|p| (p.work, cost(p))).collect();
            exponent(&points)
        })
    }

    /// At the right end.
    pub fn ratio(&self) -> Option<f64> {
        self.points.last().map(|point| point.ours / point.theirs)
    }

    pub fn is_met(&self) -> bool {
        let [ours, theirs] = self.exponents();
        let grows = ours <= theirs + SLACK;
        // Flat is flat, however flat the peer is.
        let is_flat = ours <= SLACK;
        let costs = match (self.ratio(), self.limit) {
            (Some(ratio), Some(limit)) => ratio <= limit,
            (Some(_), None) => true,
            (None, _) => false,
        };
        (grows || is_flat) && costs
    }

    pub fn print(&self) {
        let Curve {
            name,
            work,
            unit,
            peer,
            ..
        } = self;
        println!("  {name}, in {unit}:");
        for Point {
            work: amount,
            ours,
            theirs,
        } in &self.points
        {
            println!(
                "    {amount:>8} {work}: {ours:>14.1}, {peer} {theirs:>14.1}: {:.2}x",
                ours / theirs
            );
        }
        let [ours, theirs] = self.exponents();
        let limit = self
            .limit
            .map_or(String::new(), |limit| format!(" and ratio ≤ {limit:.2}"));
        let verdict = if self.is_met() { "met" } else { "MISSED" };
        println!(
            "    exponent {ours:.2}, {peer} {theirs:.2}: limit ≤ {:.2}{limit}: {verdict}",
            theirs + SLACK
        );
    }

    pub fn record(&self) -> Value {
        let [ours, theirs] = self.exponents();
        let points = self
            .points
            .iter()
            .map(|point| json!({ "work": point.work, "ours": point.ours, "theirs": point.theirs }));
        json!({
            "name": self.name,
            "work": self.work,
            "unit": self.unit,
            "peer": self.peer,
            "points": points.collect::<Vec<_>>(),
            "exponent": { "ours": ours, "theirs": theirs },
            "ratio": self.ratio(),
            "limit": self.limit,
            "met": self.is_met(),
        })
    }
}

/// The slope of cost over work where both are logarithms, by least squares, in the upper part of
/// the curve: below, what does not depend on the work hides it.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let upper = &points[points.len().saturating_sub(3)..];
    let logs: Vec<(f64, f64)> = upper
        .iter()
        .map(|(x, y)| (x.ln(), y.max(1e-9).ln()))
        .collect();
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let above: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let below: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(ours: impl Fn(f64) -> f64, theirs: impl Fn(f64) -> f64) -> Curve {
        let points = [10.0, 100.0, 1000.0].map(|work| Point {
            work,
            ours: ours(work),
            theirs: theirs(work),
        });
        Curve {
            name: "test".into(),
            work: "things",
            unit: "µs",
            peer: "nobody",
            points: points.into(),
            limit: Some(1.0),
        }
    }

    #[test]
    fn the_exponent_is_that_of_the_power() {
        let [square, line] = curve(|x| 3.0 * x * x, |x| 5.0 * x).exponents();
        assert!((square - 2.0).abs() < 1e-9 && (line - 1.0).abs() < 1e-9);
    }

    #[test]
    fn curves_above_their_limits_are_reported() {
        assert!(curve(|x| x, |x| 2.0 * x).is_met());
        assert!(!curve(|x| x * x / 1e6, |x| x).is_met());
        assert!(!curve(|x| 3.0 * x, |x| 2.0 * x).is_met());
    }
}
