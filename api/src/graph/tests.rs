//! The layout as people would check it: no boxes on each other, edges to the right, quick.

use std::time::Instant;

use super::{Drawing, GAP_Y, HEIGHT, MARGIN, WIDTH};

/// Checks what every drawing must keep.
fn check(tasks: usize, edges: &[(usize, usize)]) -> Drawing {
    let drawing = Drawing::of(tasks, edges);
    for &(from, to) in edges {
        assert!(drawing.x(from) + WIDTH < drawing.x(to), "{from} → {to} goes to the right");
    }
    let mut boxes: Vec<(u32, u32)> =
        (0..tasks).map(|task| (drawing.x(task), drawing.centres[task])).collect();
    boxes.sort_unstable();
    for pair in boxes.windows(2) {
        let ((x1, y1), (x2, y2)) = (pair[0], pair[1]);
        assert!(x1 < x2 || y2 >= y1 + HEIGHT + GAP_Y - 1, "boxes at {pair:?} touch");
    }
    for (task, &centre) in drawing.centres.iter().enumerate().take(tasks) {
        assert!(centre >= MARGIN + HEIGHT / 2, "task {task} is below the margin");
        assert!(centre + HEIGHT / 2 + MARGIN <= drawing.height, "task {task} is inside");
        assert!(drawing.x(task) + WIDTH + MARGIN <= drawing.width, "task {task} is inside");
    }
    for (chain, &(from, to)) in drawing.chains.iter().zip(edges) {
        let points = drawing.points(chain);
        let (first, last) = (points.first().expect("a point"), points.last().expect("a point"));
        assert_eq!(*first, [drawing.x(from) + WIDTH, drawing.centres[from]]);
        assert_eq!(*last, [drawing.x(to), drawing.centres[to]]);
    }
    drawing
}

#[test]
fn small_graphs() {
    check(0, &[]);
    check(1, &[]);
    check(3, &[]);
    let line = check(3, &[(0, 1), (1, 2)]);
    assert_eq!(line.centres, vec![36; 3], "a line is straight");
    let diamond = check(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
    assert_eq!(diamond.centres[0], diamond.centres[3], "a diamond is symmetric");
    check(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
    // Two crossed pairs are uncrossed.
    let crossed = check(4, &[(0, 3), (1, 2)]);
    assert_eq!(crossed.centres[0] < crossed.centres[1], crossed.centres[3] < crossed.centres[2]);
}

#[test]
fn a_thousand_tasks_are_quick() {
    let tasks = 1000;
    let edges: Vec<(usize, usize)> = (0..tasks)
        .flat_map(|task| [(task, task + 10), (task, task + 7), (task, task + 31)])
        .filter(|&(_, to)| to < tasks)
        .collect();
    let started = Instant::now();
    check(tasks, &edges);
    // A generous bound for a loaded machine and a debug build; a release build takes milliseconds.
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}
