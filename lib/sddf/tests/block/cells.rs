//! Runs of cells never overlap, and what is free is found.

use proptest::prelude::*;
use sddf::block::{Cells, Run};

#[derive(Clone, Debug)]
enum Op {
    Allocate(u32),
    Free(usize),
}

proptest! {
    #[test]
    fn runs_lie_in_the_region_and_overlap_nowhere(
        cells in 1usize..200,
        ops in proptest::collection::vec(
            prop_oneof![(0u32..40).prop_map(Op::Allocate), (0usize..16).prop_map(Op::Free)],
            1..200,
        ),
    ) {
        let mut all: Cells<4> = Cells::new(cells * 4096 + 100);
        let mut model = vec![false; cells];
        let mut runs: Vec<Run> = Vec::new();
        for op in ops {
            match op {
                Op::Allocate(wanted) => {
                    let longest = model.split(|&used| used).map(<[bool]>::len).max().unwrap_or(0);
                    match all.allocate(wanted) {
                        Some(run) => {
                            prop_assert_eq!(run.cells(), wanted);
                            let first = (run.offset() / 4096) as usize;
                            for cell in &mut model[first..first + wanted as usize] {
                                prop_assert!(!*cell, "given twice");
                                *cell = true;
                            }
                            runs.push(run);
                        }
                        None => prop_assert!(wanted == 0 || longest < wanted as usize, "overlooked"),
                    }
                }
                Op::Free(which) => {
                    if which < runs.len() {
                        let run = runs.swap_remove(which);
                        let first = (run.offset() / 4096) as usize;
                        model[first..first + run.cells() as usize].fill(false);
                        all.free(run);
                    }
                }
            }
            let free = model.iter().filter(|used| !**used).count();
            prop_assert_eq!(all.free_cells() as usize, free);
        }
    }
}

#[test]
fn a_region_larger_than_the_account_is_used_as_far_as_it_goes() {
    let mut all: Cells<1> = Cells::new(1 << 30);
    assert_eq!(all.cells(), 64);
    let run = all.allocate(64).unwrap();
    assert_eq!((run.offset(), run.bytes()), (0, 64 * 4096));
    assert_eq!(all.allocate(1), None);
}

#[test]
fn a_region_smaller_than_a_cell_has_none() {
    let mut none: Cells<1> = Cells::new(4095);
    assert_eq!(none.cells(), 0);
    assert_eq!(none.allocate(1), None);
}
