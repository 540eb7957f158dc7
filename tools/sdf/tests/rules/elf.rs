//! Small ELF executables, right or wrong as a test wants them.

/// What the Microkit's runtime has, name and size.
pub const RUNTIME: &[(&str, u64)] = &[
    ("microkit_name", 64),
    ("microkit_passive", 1),
    ("microkit_irqs", 8),
    ("microkit_notifications", 8),
    ("microkit_pps", 8),
    ("microkit_ioports", 8),
];

/// Permissions of a segment: executable, writable, readable.
pub const X: u32 = 1;
pub const W: u32 = 2;
pub const R: u32 = 4;

const LOAD: u32 = 1;
const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const SECTION_HEADER: usize = 64;

/// A segment to write.
pub struct Segment {
    pub kind: u32,
    pub vaddr: u64,
    pub data: Vec<u8>,
    pub memory: u64,
    pub flags: u32,
}

/// An executable to write.
pub struct Elf {
    pub kind: u16,
    pub machine: u16,
    pub entry: u64,
    pub segments: Vec<Segment>,
    /// Name, address, size.
    pub symbols: Vec<(String, u64, u64)>,
}

impl Elf {
    /// One that is right: text at 0x200000, two pages of data at 0x300000 of
    /// which 16 bytes are in the file, the runtime's symbols, and `symbols` of
    /// 8 bytes behind them.
    pub fn good(symbols: &[&str]) -> Self {
        let mut elf = Elf {
            kind: 2,
            machine: 62,
            entry: 0x20_0010,
            segments: vec![
                Segment {
                    kind: LOAD,
                    vaddr: 0x20_0000,
                    data: vec![0xcc; 0x40],
                    memory: 0x40,
                    flags: R | X,
                },
                Segment {
                    kind: LOAD,
                    vaddr: 0x30_0000,
                    data: vec![0xdd; 16],
                    memory: 0x1800,
                    flags: R | W,
                },
            ],
            symbols: Vec::new(),
        };
        for (name, size) in RUNTIME {
            elf.symbol(name, *size);
        }
        for name in symbols {
            elf.symbol(name, 8);
        }
        elf
    }

    /// Adds a symbol behind the last, in the data segment.
    pub fn symbol(&mut self, name: &str, size: u64) {
        let at = self.symbols.last().map_or(0x30_0000, |(_, a, s)| (a + s).next_multiple_of(8));
        self.symbols.push((name.into(), at, size));
    }

    pub fn remove(&mut self, name: &str) {
        self.symbols.retain(|(n, _, _)| n != name);
    }

    /// Address of a symbol.
    pub fn address(&self, name: &str) -> u64 {
        self.symbols.iter().find(|(n, _, _)| n == name).unwrap().1
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut strings = vec![0];
        let mut symbols = vec![0; 24];
        for (name, address, size) in &self.symbols {
            symbols.extend((strings.len() as u32).to_le_bytes());
            // A global object in section 1.
            symbols.extend([0x11, 0, 1, 0]);
            symbols.extend(address.to_le_bytes());
            symbols.extend(size.to_le_bytes());
            strings.extend(name.bytes());
            strings.push(0);
        }
        let data_at = HEADER + PROGRAM_HEADER * self.segments.len();
        let data_length: usize = self.segments.iter().map(|s| s.data.len()).sum();
        let symbols_at = data_at + data_length;
        let strings_at = symbols_at + symbols.len();
        let sections_at = strings_at + strings.len();

        let mut out = b"\x7fELF\x02\x01\x01".to_vec();
        out.resize(16, 0);
        out.extend(self.kind.to_le_bytes());
        out.extend(self.machine.to_le_bytes());
        out.extend(1_u32.to_le_bytes());
        out.extend(self.entry.to_le_bytes());
        out.extend((HEADER as u64).to_le_bytes());
        out.extend((sections_at as u64).to_le_bytes());
        out.extend(0_u32.to_le_bytes());
        let counts = [HEADER, PROGRAM_HEADER, self.segments.len(), SECTION_HEADER, 3, 2];
        out.extend(counts.iter().flat_map(|n| (*n as u16).to_le_bytes()));
        let mut offset = data_at as u64;
        for s in &self.segments {
            out.extend(s.kind.to_le_bytes());
            out.extend(s.flags.to_le_bytes());
            let file = s.data.len() as u64;
            for word in [offset, s.vaddr, s.vaddr, file, s.memory, 0x1000] {
                out.extend(word.to_le_bytes());
            }
            offset += file;
        }
        for s in &self.segments {
            out.extend(&s.data);
        }
        out.extend(&symbols);
        out.extend(&strings);
        out.resize(out.len() + SECTION_HEADER, 0);
        // Symbol table (2), whose strings are section 2; string table (3).
        let sections = [
            (2_u32, symbols_at, symbols.len(), 2_u32, 24_u64),
            (3, strings_at, strings.len(), 0, 0),
        ];
        for (kind, at, size, link, entry) in sections {
            out.extend(0_u32.to_le_bytes());
            out.extend(kind.to_le_bytes());
            for word in [0, 0, at as u64, size as u64] {
                out.extend(word.to_le_bytes());
            }
            out.extend(link.to_le_bytes());
            // The first global symbol.
            out.extend(1_u32.to_le_bytes());
            out.extend(8_u64.to_le_bytes());
            out.extend(entry.to_le_bytes());
        }
        out
    }
}
