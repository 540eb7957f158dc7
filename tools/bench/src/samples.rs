//! What a guest measured, as it prints it (`guest-images/bench/measure.inc`).

/// Samples of one operation, in the order in which they were taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Samples {
    taken: Vec<u32>,
    sorted: Vec<u32>,
}

/// Most samples of one operation: what a console line may ask us to hold.
const SAMPLES_MAX: usize = 1 << 16;

impl Samples {
    /// Samples, if there are any.
    pub fn new(taken: Vec<u32>) -> Option<Self> {
        let mut sorted = taken.clone();
        sorted.sort_unstable();
        (!sorted.is_empty()).then_some(Samples { taken, sorted })
    }

    /// Reads `VALUE*COUNT ...`, both hexadecimal.
    fn parse(words: &str) -> Option<Self> {
        let mut taken = Vec::new();
        for word in words.split_whitespace() {
            let (value, count) = word.split_once('*')?;
            let value = u32::from_str_radix(value, 16).ok()?;
            let count = usize::from_str_radix(count, 16).ok()?;
            if count == 0 || count > SAMPLES_MAX - taken.len() {
                return None;
            }
            taken.extend(std::iter::repeat_n(value, count));
        }
        Samples::new(taken)
    }

    /// The line `bench NAME ...` of a console's text. `None` if there is none, or
    /// if it is not as it should be.
    pub fn find(console: &str, name: &str) -> Option<Self> {
        console.lines().find_map(|line| {
            let rest = line.trim_end().strip_prefix("bench ")?.strip_prefix(name)?;
            rest.starts_with(' ').then(|| Samples::parse(rest))?
        })
    }

    /// In the order in which they were taken.
    pub fn taken(&self) -> &[u32] {
        &self.taken
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The least.
    pub fn min(&self) -> u32 {
        self.sorted[0]
    }

    /// The middle one; the lower of the two middle ones of an even number, so that
    /// it is one that was measured.
    pub fn median(&self) -> u32 {
        self.sorted[(self.sorted.len() - 1) / 2]
    }

    /// The greatest.
    pub fn max(&self) -> u32 {
        self.sorted[self.sorted.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONSOLE: &str = "noise\r\nbench cpuid_exit 00000463*00000002 00000500*00000001\r\nok\r\n";

    #[test]
    fn runs_of_equal_samples_are_read_back() {
        let samples = Samples::find(CONSOLE, "cpuid_exit").unwrap();
        assert_eq!(samples.taken(), [0x463, 0x463, 0x500]);
        assert_eq!((samples.min(), samples.median(), samples.max()), (0x463, 0x463, 0x500));
    }

    #[test]
    fn a_name_that_only_begins_alike_is_another() {
        assert_eq!(Samples::find(CONSOLE, "cpuid"), None);
        assert_eq!(Samples::find(CONSOLE, "cpuid_exit_2"), None);
    }

    #[test]
    fn a_count_beyond_reason_is_refused() {
        for bad in ["1*ffffffff", "1*0", "1*10001", "1", "1*2*3", "g*1", ""] {
            assert_eq!(Samples::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_median_is_one_of_the_samples() {
        let samples = Samples::new(vec![4, 1, 3, 2]).unwrap();
        assert_eq!(samples.median(), 2);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_failing(text in "[ -~\\n]{0,200}") {
            let _ = Samples::find(&format!("bench x {text}"), "x");
        }
    }
}
