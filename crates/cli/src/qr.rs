//! QR codes in the terminal.

use anyhow::{Result, anyhow};
use fast_qr::{ECL, QRBuilder};

/// Light modules around the code, which readers need.
const QUIET: usize = 4;

/// A text as a QR code: two rows of modules a line, light ones drawn and dark ones left out, as
/// most terminals are dark.
pub(crate) fn qr_code(text: &str) -> Result<String> {
    let code = QRBuilder::new(text).ecl(ECL::L).build();
    let code = code.map_err(|_| anyhow!("the invitation is too long for a QR code"))?;
    let side = code.size + 2 * QUIET;
    let light = |row: usize, column: usize| {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < code.size);
        let module = match (inside(row), inside(column)) {
            (Some(row), Some(column)) => code.data.get(row * code.size + column),
            _ => None,
        };
        module.is_none_or(|module| !module.value())
    };
    let mut drawn = String::new();
    for row in (0..side).step_by(2) {
        for column in 0..side {
            // Below the last row there is nothing to draw.
            let lower = row + 1 < side && light(row + 1, column);
            drawn.push(match (light(row, column), lower) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        drawn.push('\n');
    }
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_square_has_its_margin_and_its_corners() {
        let drawn = qr_code("dxos://join/dx1_x").unwrap();
        let lines: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
        let width = lines[0].len();
        assert_eq!(lines.len(), width.div_ceil(2));
        assert!(lines.iter().all(|line| line.len() == width));
        assert!(lines[..QUIET / 2].iter().flatten().all(|c| *c == '█'));
        assert!(
            lines
                .iter()
                .all(|line| line[..QUIET].iter().all(|c| matches!(c, '█' | '▀')))
        );
        // The finder patterns: a dark row of seven modules over a dark edge.
        let top = &lines[QUIET / 2];
        let corner: String = top[QUIET..QUIET + 7].iter().collect();
        assert_eq!(corner, " ▄▄▄▄▄ ");
        let other: String = top[width - QUIET - 7..width - QUIET].iter().collect();
        assert_eq!(other, " ▄▄▄▄▄ ");
        assert!(qr_code(&"x".repeat(10_000)).is_err());
    }
}
