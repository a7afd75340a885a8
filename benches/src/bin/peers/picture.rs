//! Bars in groups, as SVG.

use std::fmt::Write as _;

pub(crate) struct Bar {
    pub(crate) group: &'static str,
    pub(crate) label: String,
    pub(crate) value: f64,
    pub(crate) ours: bool,
}

const WIDTH: usize = 760;
/// Where the bars begin.
const LEFT: usize = 150;
/// Where the longest ends; its number stands behind it.
const RIGHT: usize = 690;
const ROW: usize = 20;

/// Each group has a scale of its own: the groups differ more than the clients.
pub(crate) fn bars(title: &str, bars: &[Bar]) -> String {
    let mut rows = String::new();
    let mut y = 44;
    let mut group = "";
    for bar in bars {
        if bar.group != group {
            group = bar.group;
            y += 14;
            let _ = writeln!(
                rows,
                r#"<text x="8" y="{y}" font-weight="bold">{group}</text>"#
            );
            y += 10;
        }
        let longest = bars
            .iter()
            .filter(|other| other.group == group)
            .map(|other| other.value)
            .fold(1.0, f64::max);
        let length = bar.value / longest * (RIGHT - LEFT) as f64;
        let fill = if bar.ours { "#c2410c" } else { "#94a3b8" };
        let text = y + 12;
        let _ = writeln!(
            rows,
            r#"<text x="{}" y="{text}" text-anchor="end">{}</text><rect x="{LEFT}" y="{y}" width="{length:.1}" height="15" fill="{fill}"/><text x="{:.1}" y="{text}">{:.0}</text>"#,
            LEFT - 8,
            bar.label,
            LEFT as f64 + length + 6.0,
            bar.value
        );
        y += ROW;
    }
    let height = y + 12;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"8\" y=\"24\" font-size=\"16\">{title} (median; shorter is better)</text>\n{rows}</svg>\n"
    )
}
