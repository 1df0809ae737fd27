//! Latency by quantile, as an SVG without a library's style sheet: it is read in a repository's pages.

use crate::quantiles::Quantiles;
use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 56.0;
const COLOURS: [&str; 6] = ["#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a"];
/// What is drawn on the horizontal axis; the highest is left out, being one request.
const SHARES: [f64; 6] = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

/// Curves over one scale, in milliseconds, logarithmic.
pub(crate) fn latencies(title: &str, curves: &[(String, &Quantiles)]) -> String {
    let values = curves.iter().flat_map(|(_, q)| SHARES.map(|share| q.ms(share))).filter(|ms| ms.is_finite());
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), ms| (low.min(ms), high.max(ms)));
    if low > high {
        return String::new();
    }
    let (low, high) = (low.max(0.01).log10().floor(), high.log10().ceil());
    let x = |n: usize| MARGIN + n as f64 * (WIDTH - 2.0 * MARGIN) / (SHARES.len() - 1) as f64;
    let y = |ms: f64| HEIGHT - MARGIN - (ms.max(0.01).log10() - low) * (HEIGHT - 2.0 * MARGIN) / (high - low).max(1.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"14\">{title}</text>\n"
    );
    let mut decade = low;
    while decade <= high {
        let (at, ms) = (y(10_f64.powf(decade)), 10_f64.powf(decade));
        let _ = writeln!(
            svg,
            "<line x1=\"{MARGIN}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\" stroke=\"#d0d7de\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{ms} ms</text>",
            WIDTH - MARGIN,
            MARGIN - 6.0,
            at + 4.0
        );
        decade += 1.0;
    }
    for (n, share) in SHARES.iter().enumerate() {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">p{}</text>",
            x(n),
            HEIGHT - MARGIN + 18.0,
            share * 100.0
        );
    }
    for (n, (name, quantiles)) in curves.iter().enumerate() {
        let colour = COLOURS[n % COLOURS.len()];
        let points = SHARES.iter().enumerate().map(|(n, share)| (x(n), quantiles.ms(*share)));
        let points: Vec<String> =
            points.filter(|(_, ms)| ms.is_finite()).map(|(x, ms)| format!("{x:.1},{:.1}", y(ms))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            points.join(" "),
            MARGIN + 8.0,
            MARGIN + 14.0 * n as f64
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_line_for_each_curve() {
        let quantiles = Quantiles::of((1..1000).map(|n| n * 100));
        let svg = latencies("accepting", &[("50 %".to_owned(), &quantiles), ("80 %".to_owned(), &quantiles)]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("10 ms") && svg.ends_with("</svg>\n") && !svg.contains("NaN"));
        assert_eq!(latencies("nothing", &[]), "");
    }
}
