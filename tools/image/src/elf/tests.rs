use super::*;
use object::read::elf::ElfFile64;
use object::{Object, ObjectSegment};
use proptest::prelude::*;

/// A little linker: an executable with one code segment, one data segment with
/// the four variables, and a .bss behind it.
struct Linked {
    code: Vec<u8>,
    symbols: Vec<(&'static str, u64, u64)>,
    data_vaddr: u64,
    bss: u64,
    entry: u64,
    kind: u16,
}

const CODE: u64 = 0x40_0000;
const DATA: u64 = 0x40_2010;

impl Linked {
    fn new() -> Self {
        let symbols = (0..).zip(SYMBOLS).map(|(i, name)| (name, DATA + 8 * i, 8)).collect();
        let code = vec![0x90; 0x1800];
        Self { code, symbols, data_vaddr: DATA, bss: 0x3000, entry: CODE, kind: elf::ET_EXEC }
    }

    fn build(&self) -> Vec<u8> {
        let (code_at, data_at) = (0x1000u64, 0x3010u64);
        let data = [0xeeu8; 32];
        let mut strings = vec![0u8];
        let mut symbols = vec![0u8; 24];
        for (name, value, size) in &self.symbols {
            let at = u32::try_from(strings.len()).unwrap();
            strings.extend(name.as_bytes());
            strings.push(0);
            symbols.extend(bytes_of(&elf::Sym64::<LE> {
                st_name: U32::new(LE, at),
                st_info: (elf::STB_GLOBAL << 4) | elf::STT_OBJECT,
                st_other: 0,
                st_shndx: U16::new(LE, 1),
                st_value: U64::new(LE, *value),
                st_size: U64::new(LE, *size),
            }));
        }
        let symbols_at = 0x3100u64;
        let strings_at = symbols_at + length(&symbols);
        let sections_at = (strings_at + length(&strings)).next_multiple_of(8);
        let section = |kind: u32, at: u64, size: u64, link: u32, entry: u64| elf::SectionHeader64 {
            sh_name: U32::new(LE, 0),
            sh_type: U32::new(LE, kind),
            sh_flags: U64::new(LE, 0),
            sh_addr: U64::new(LE, 0),
            sh_offset: U64::new(LE, at),
            sh_size: U64::new(LE, size),
            sh_link: U32::new(LE, link),
            sh_info: U32::new(LE, 1),
            sh_addralign: U64::new(LE, 1),
            sh_entsize: U64::new(LE, entry),
        };
        let segment = |kind: u32, at: u64, vaddr: u64, file: u64, memory: u64| ProgramHeader64 {
            p_type: U32::new(LE, kind),
            p_flags: U32::new(LE, elf::PF_R),
            p_offset: U64::new(LE, at),
            p_vaddr: U64::new(LE, vaddr),
            p_paddr: U64::new(LE, vaddr),
            p_filesz: U64::new(LE, file),
            p_memsz: U64::new(LE, memory),
            p_align: U64::new(LE, PAGE),
        };
        let segments = [
            segment(elf::PT_GNU_STACK, 0, 0, 0, 0),
            segment(elf::PT_NOTE, 0, 0, 16, 16),
            // The higher one first: order in the file is the linker's affair.
            segment(elf::PT_LOAD, data_at, self.data_vaddr, 32, 32 + self.bss),
            segment(elf::PT_LOAD, code_at, CODE, length(&self.code), length(&self.code)),
        ];
        let sections = [
            section(elf::SHT_NULL, 0, 0, 0, 0),
            section(elf::SHT_SYMTAB, symbols_at, length(&symbols), 2, 24),
            section(elf::SHT_STRTAB, strings_at, length(&strings), 0, 0),
        ];
        let mut header = FileHeader64::<LE> {
            e_ident: elf::Ident {
                magic: elf::ELFMAG,
                class: elf::ELFCLASS64,
                data: elf::ELFDATA2LSB,
                version: elf::EV_CURRENT,
                os_abi: 0,
                abi_version: 0,
                padding: [0; 7],
            },
            e_type: U16::new(LE, self.kind),
            e_machine: U16::new(LE, elf::EM_X86_64),
            e_version: U32::new(LE, 1),
            e_entry: U64::new(LE, self.entry),
            e_phoff: U64::new(LE, 64),
            e_shoff: U64::new(LE, sections_at),
            e_flags: U32::new(LE, 0),
            e_ehsize: U16::new(LE, 64),
            e_phentsize: U16::new(LE, 56),
            e_phnum: U16::new(LE, 4),
            e_shentsize: U16::new(LE, 64),
            e_shnum: U16::new(LE, 3),
            e_shstrndx: U16::new(LE, 2),
        };
        header.e_version = U32::new(LE, 1);
        let mut file = bytes_of(&header).to_vec();
        segments.iter().for_each(|s| file.extend(bytes_of(s)));
        let mut put = |at: u64, bytes: &[u8]| {
            file.resize(usize::try_from(at).unwrap(), 0);
            file.extend(bytes);
        };
        put(code_at, &self.code);
        put(data_at, &data);
        put(symbols_at, &symbols);
        put(strings_at, &strings);
        put(sections_at, &[]);
        for header in &sections {
            file.extend(bytes_of(header));
        }
        file
    }
}

fn make(linked: &Linked, spec: &[u8], payload: &[u8]) -> Result<(SystemElf, Vec<u8>), ImageError> {
    let mut out = Vec::new();
    let mut source = payload;
    let payload = Payload { size: length(payload), source: &mut source };
    system_elf(&linked.build(), spec, payload, &mut out).map(|made| (made, out))
}

/// Does with the file what the kernel does, and returns the memory from its
/// lowest address on.
fn load(file: &[u8]) -> (u64, Vec<u8>) {
    let parsed = ElfFile64::<LE>::parse(file).unwrap();
    let start = parsed.segments().map(|s| s.address()).min().unwrap();
    let end = parsed.segments().map(|s| s.address() + s.size()).max().unwrap();
    let mut memory = vec![0; usize::try_from(end - start).unwrap()];
    for segment in parsed.segments() {
        let at = usize::try_from(segment.address() - start).unwrap();
        let data = segment.data().unwrap();
        memory[at..at + data.len()].copy_from_slice(data);
    }
    (start, memory)
}

fn word(memory: &[u8], at: u64) -> u64 {
    let at = usize::try_from(at).unwrap();
    u64::from_le_bytes(memory[at..at + 8].try_into().unwrap())
}

#[test]
fn the_variables_say_where_description_and_payload_are() {
    let spec = b"description";
    let payload: Vec<u8> = (0..3u8).flat_map(|page| [page; PAGE as usize]).collect();
    let (made, file) = make(&Linked::new(), spec, &payload).unwrap();
    assert_eq!(made.file, length(&file));
    let (start, memory) = load(&file);
    assert_eq!(start, CODE);
    assert_eq!(made.memory, length(&memory));
    let [spec_at, spec_size, payload_at, payload_size] =
        [0, 8, 16, 24].map(|at| word(&memory, DATA - start + at));
    let range = |at: u64, size: u64| {
        let at = usize::try_from(at - start).unwrap();
        &memory[at..at + usize::try_from(size).unwrap()]
    };
    assert_eq!(range(spec_at, spec_size), spec);
    assert_eq!(range(payload_at, payload_size), payload);
    assert_eq!((spec_at % PAGE, payload_at % PAGE), (0, 0));
    // Directly after the program's own pages, .bss included.
    assert_eq!(spec_at, (DATA + 32 + 0x3000).next_multiple_of(PAGE));
}

#[test]
fn only_loadable_segments_are_written_and_no_sections() {
    let (_, file) = make(&Linked::new(), b"d", &[]).unwrap();
    let header = FileHeader64::<LE>::parse(&*file).unwrap();
    let segments = header.program_headers(LE, &*file).unwrap();
    assert_eq!(segments.len(), 3);
    for segment in segments {
        assert_eq!(segment.p_type(LE), elf::PT_LOAD);
        assert_eq!(segment.p_offset(LE) % PAGE, segment.p_vaddr(LE) % PAGE);
    }
    assert_eq!(header.e_shnum(LE), 0);
    assert_eq!(header.e_entry(LE), CODE);
}

#[test]
fn a_missing_short_or_uninitialised_variable_is_named() {
    let why = |change: &dyn Fn(&mut Linked)| {
        let mut linked = Linked::new();
        change(&mut linked);
        make(&linked, b"d", &[]).unwrap_err().to_string()
    };
    assert_eq!(
        why(&|l| l.symbols[1].0 = "another"),
        "the initial task's variable `bulkhead_spec_size`: is missing"
    );
    assert_eq!(
        why(&|l| l.symbols[2].2 = 4),
        "the initial task's variable `bulkhead_payload_vaddr`: has 4 bytes instead of 8"
    );
    assert_eq!(
        why(&|l| l.symbols[3].1 = DATA + 28),
        "the initial task's variable `bulkhead_payload_size`: is not in the file (does it lie in .bss?)"
    );
    assert!(why(&|l| l.symbols[0].1 = u64::MAX).contains("is not in the file"));
}

#[test]
fn what_the_kernel_could_not_load_is_refused() {
    let why = |change: &dyn Fn(&mut Linked)| {
        let mut linked = Linked::new();
        change(&mut linked);
        make(&linked, b"d", &[]).unwrap_err().to_string()
    };
    assert!(why(&|l| l.entry = 1).contains("entry point, 0x1, is outside"));
    assert!(why(&|l| l.kind = elf::ET_DYN).contains("not linked to a fixed address"));
    assert!(why(&|l| l.data_vaddr = CODE + 0x10).contains("two segments overlap"));
    assert!(why(&|l| l.data_vaddr = 0x10).contains("0x10, is within a page"));
    assert!(why(&|l| l.bss = u64::MAX - 64).contains("at most"));
    let mut out = Vec::new();
    let nothing = Payload { size: 0, source: &mut &[][..] };
    let error = system_elf(b"#!/bin/sh", b"", nothing, &mut out).unwrap_err();
    assert!(matches!(error, ImageError::RootTask { .. }));
}

#[test]
fn the_payload_has_the_announced_size() {
    for (announced, given, expected) in [(PAGE, 17, 17), (PAGE, 2 * PAGE, PAGE + 1)] {
        let bytes = vec![1; usize::try_from(given).unwrap()];
        let mut source = &*bytes;
        let payload = Payload { size: announced, source: &mut source };
        let error = system_elf(&Linked::new().build(), b"", payload, &mut Vec::new()).unwrap_err();
        let ImageError::PayloadLength { found, .. } = error else { panic!("{error}") };
        assert_eq!(found, expected);
    }
    let payload = Payload { size: 100, source: &mut &[0; 100][..] };
    let error = system_elf(&Linked::new().build(), b"", payload, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, ImageError::UnalignedPayload { size: 100 }));
}

#[test]
fn limits_are_told_before_anything_is_written() {
    for size in [LIMIT, u64::MAX - (PAGE - 1)] {
        let mut out = Vec::new();
        let payload = Payload { size, source: &mut std::io::empty() };
        let error = system_elf(&Linked::new().build(), b"", payload, &mut out).unwrap_err();
        assert!(matches!(error, ImageError::TooLarge { .. }), "{error}");
        assert!(out.is_empty());
    }
    let made = SystemElf { file: 100 << 20, memory: 100 << 20 };
    assert!(made.fits(1 << 30).is_ok());
    assert!(matches!(made.fits(216 << 20), Ok(())));
    assert!(matches!(
        made.fits((216 << 20) - 1),
        Err(ImageError::Memory { needed, .. }) if needed == 216 << 20
    ));
    assert!(SystemElf { file: u64::MAX, memory: 1 }.fits(1 << 40).is_err());
}

proptest! {
    #[test]
    fn any_file_is_refused_or_joined_but_never_panics(
        mut at in proptest::collection::vec((0usize..0x3400, any::<u8>()), 0..12),
    ) {
        let mut file = Linked::new().build();
        at.retain(|(i, _)| *i < file.len());
        for (i, byte) in at {
            file[i] = byte;
        }
        let nothing = Payload { size: 0, source: &mut std::io::empty() };
        let _ = system_elf(&file, b"spec", nothing, &mut std::io::sink());
    }
}
