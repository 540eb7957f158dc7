//! `memory_region`.

use system_spec::PageSize;

use super::{Context, element::Element};
use crate::{
    files::FileSize,
    model::{MemoryRegion, Prefill, RegionSize},
    rule::Rule,
    source::At,
};

const BOOTINFO_KINDS: &[&str] =
    &["x86_vbe", "x86_mbmmap", "x86_acpi_rsdp", "x86_framebuffer", "x86_tsc_freq", "fdt"];

/// First address that is not a physical one: seL4's PADDR_USER_DEVICE_TOP.
const PHYS_TOP: u64 = 1 << 47;

impl Context<'_> {
    /// Reads a memory region. What is wrong with it is reported; it takes its
    /// place in the list all the same, so that indices hold.
    pub(super) fn memory_region(&mut self, e: Element<'_>) -> MemoryRegion {
        self.allow(
            e,
            &["name", "size", "page_size", "phys_addr", "prefill_path", "prefill_bootinfo"],
        );
        self.no_children(e);
        let name = self.required(e, "name").unwrap_or(At::new("", e.span()));
        let page_size = self.page_size(e);
        let prefill = self.prefill(e);
        let size = self.region_size(e, page_size, prefill.as_ref());
        let phys_addr = self.phys_addr(e, page_size);
        MemoryRegion {
            span: e.span(),
            note: e.comment_before(),
            name: name.map(Into::into),
            size,
            size_span: e.attribute("size").map(|a| a.span),
            page_size,
            page_size_given: e.attribute("page_size").is_some(),
            phys_addr,
            prefill,
        }
    }

    fn page_size(&mut self, e: Element<'_>) -> PageSize {
        let Some(word) = e.attribute("page_size") else { return PageSize::Small };
        let Some(n) = self.number("page_size", word) else { return PageSize::Small };
        match [PageSize::Small, PageSize::Large].into_iter().find(|p| p.bytes() == n.value) {
            Some(size) => size,
            None => {
                let message = format!("pages of {:#x} bytes", n.value);
                self.report(self.problem(Rule::RegionPageSize, n.span, message));
                PageSize::Small
            }
        }
    }

    fn prefill(&mut self, e: Element<'_>) -> Option<Prefill> {
        let file = e.attribute("prefill_path");
        let bootinfo = e.attribute("prefill_bootinfo");
        if let (Some(file), Some(bootinfo)) = (&file, &bootinfo) {
            let p = self
                .problem(
                    Rule::PrefillOneSource,
                    bootinfo.span.clone(),
                    "two sources for one region",
                )
                .also(&file.span, "the other");
            self.report(p);
        }
        if let Some(kind) = &bootinfo {
            if BOOTINFO_KINDS.contains(&kind.value) {
                let support = self.board.bootinfo;
                self.board_support(kind.span.clone(), "`prefill_bootinfo`", support);
            } else {
                let message = format!("boot information `{}`", kind.value);
                let p = self
                    .problem(Rule::BootinfoKind, kind.span.clone(), message)
                    .cure(format!("one of: {}", BOOTINFO_KINDS.join(", ")));
                self.report(p);
            }
        }
        match (file, bootinfo) {
            (Some(file), _) => {
                let length = self.prefill_length(&file);
                Some(Prefill::File { path: file.map(Into::into), length })
            }
            (None, Some(kind)) => Some(Prefill::Bootinfo(kind.map(Into::into))),
            (None, None) => None,
        }
    }

    fn prefill_length(&mut self, file: &At<&str>) -> Option<u64> {
        let (rule, message, cure) = match self.files.size(file.value) {
            Ok(FileSize::Known(0)) => {
                (Rule::PrefillEmpty, format!("`{}` is empty", file.value), None)
            }
            Ok(FileSize::Known(length)) => return Some(length),
            Ok(FileSize::NotBuilt) => return None,
            Ok(FileSize::Missing(places)) => (
                Rule::PrefillMissing,
                format!("`{}` is nowhere", file.value),
                Some(format!("looked in: {places}")),
            ),
            Err(why) => {
                (Rule::PrefillMissing, format!("`{}` cannot be read: {why}", file.value), None)
            }
        };
        let mut p = self.problem(rule, file.span.clone(), message);
        if let Some(cure) = cure {
            p = p.cure(cure);
        }
        self.report(p);
        None
    }

    fn region_size(
        &mut self,
        e: Element<'_>,
        page_size: PageSize,
        prefill: Option<&Prefill>,
    ) -> RegionSize {
        let length = match prefill {
            Some(Prefill::File { length, .. }) => *length,
            Some(Prefill::Bootinfo(_)) | None => None,
        };
        let Some(word) = e.attribute("size") else {
            return match (prefill, length) {
                (Some(Prefill::File { .. }), Some(length)) => {
                    match length.checked_next_multiple_of(page_size.bytes()) {
                        Some(size) => RegionSize::OfFile(size),
                        None => RegionSize::OfFileNotBuilt,
                    }
                }
                (Some(Prefill::File { .. }), None) => RegionSize::OfFileNotBuilt,
                (Some(Prefill::Bootinfo(_)), _) => RegionSize::Given(page_size.bytes()),
                (None, _) => {
                    let p = self
                        .problem(Rule::RegionSizeMissing, e.span(), "a region of no size")
                        .cure("write size=\"...\" or prefill_path=\"...\"");
                    self.report(p);
                    RegionSize::OfFileNotBuilt
                }
            };
        };
        let Some(size) = self.number("size", word) else { return RegionSize::OfFileNotBuilt };
        let page = page_size.bytes();
        if size.value == 0 || !size.value.is_multiple_of(page) {
            let mut p = self.problem(
                Rule::RegionSize,
                size.span,
                format!("{:#x} bytes in pages of {page:#x}", size.value),
            );
            if let Some(up) = size.value.max(1).checked_next_multiple_of(page) {
                p = p.cure(format!("write size=\"{up:#x}\""));
            }
            self.report(p);
            return RegionSize::OfFileNotBuilt;
        }
        if let Some(length) = length.filter(|&l| l > size.value) {
            let message = format!("a file of {length:#x} bytes in a region of {:#x}", size.value);
            let mut p = self.problem(Rule::PrefillSize, size.span, message);
            p = p.cure("leave `size` away: the region then takes the file's size, rounded up");
            self.report(p);
        }
        RegionSize::Given(size.value)
    }

    fn phys_addr(&mut self, e: Element<'_>, page_size: PageSize) -> Option<At<u64>> {
        let word = e.attribute("phys_addr")?;
        let at = self.number("phys_addr", word)?;
        let page = page_size.bytes();
        if !at.value.is_multiple_of(page) {
            let p = self
                .problem(
                    Rule::PhysAlignment,
                    at.span,
                    format!("{:#x} is not a multiple of {page:#x}", at.value),
                )
                .cure(format!("the page that holds it begins at {:#x}", at.value & !(page - 1)));
            self.report(p);
            return None;
        }
        if at.value >= PHYS_TOP {
            let message = format!("{:#x} is no physical address", at.value);
            self.report(self.problem(Rule::PhysRange, at.span, message));
            return None;
        }
        Some(at)
    }
}
