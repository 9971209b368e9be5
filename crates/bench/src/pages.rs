//! The pages of an instance's memory that an event touches. Linux only, with `CONFIG_PROC_PAGE_MONITOR`, which has the
//! files `smaps`, `pagemap` and `clear_refs` of a process.

use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, ensure};
use procfs::process::{ClearRefs, MMPermissions, MMapPath, MemoryMap, MemoryPageFlags, PageInfo, Process};

/// The memory of the instances in this process: the mappings of each slot of the pool that has been used.
pub struct InstanceMemory {
    process: Process,
    slots: Vec<Vec<MemoryMap>>,
}

/// Pages of an instance's memory.
#[derive(Clone, Debug)]
pub struct TouchedPages {
    /// How many were read or written since the marks were cleared.
    pub touched: usize,
    /// Those written by the instance, also while it was created: their numbers in its memory, in order.
    pub written: Vec<u64>,
}

impl InstanceMemory {
    /// Finds the memory, of which there must be some.
    pub fn find() -> Result<Self> {
        let process = Process::myself().context("/proc/self")?;
        let mut slots: Vec<Vec<MemoryMap>> = Vec::new();
        for mapping in process.smaps().context("/proc/self/smaps")? {
            if !mapping.perms.contains(MMPermissions::WRITE) {
                continue;
            }
            match slots.last_mut() {
                Some(slot) if slot.last().is_some_and(|before| before.address.1 == mapping.address.0) => {
                    slot.push(mapping);
                }
                _ => slots.push(vec![mapping]),
            }
        }
        // Between slots is memory that nothing can be written to.
        slots.retain(|slot| slot.iter().any(has_data));
        ensure!(!slots.is_empty(), "no memory of an instance is mapped");
        Ok(Self { process, slots })
    }

    /// Reads each page once, so that it is mapped, and clears the processor's marks of read and written pages.
    pub fn clear_marks(&self) -> Result<()> {
        let memory = self.process.mem().context("/proc/self/mem")?;
        for mapping in self.slots.iter().flatten() {
            for page in pages(mapping) {
                memory.read_exact_at(&mut [0], page * procfs::page_size()).context("/proc/self/mem")?;
            }
        }
        self.process.clear_refs(ClearRefs::PGReferencedAll).context("/proc/self/clear_refs")
    }

    /// The pages touched since then.
    pub fn touched(&self) -> Result<TouchedPages> {
        let mut map = self.process.pagemap().context("/proc/self/pagemap")?;
        let (mut touched, mut written) = (0, Vec::new());
        for slot in Self::find()?.slots {
            let first = slot.first().map_or(0, |mapping| pages(mapping).start);
            for mapping in &slot {
                touched += mapping.extension.map.get("Referenced").context("smaps has no line Referenced")?;
                for page in pages(mapping) {
                    if is_written(map.get_info(usize::try_from(page)?).context("/proc/self/pagemap")?) {
                        written.push(page - first);
                    }
                }
            }
        }
        Ok(TouchedPages { touched: usize::try_from(touched / procfs::page_size())?, written })
    }
}

/// Whether a mapping is that of a component's data.
fn has_data(mapping: &MemoryMap) -> bool {
    matches!(&mapping.pathname, MMapPath::Path(path) if path.to_string_lossy().contains("wasm-memory-image"))
}

fn pages(mapping: &MemoryMap) -> std::ops::Range<u64> {
    mapping.address.0 / procfs::page_size()..mapping.address.1 / procfs::page_size()
}

/// Whether a page belongs to this process alone. Where nothing was written, the page is of the file with the component's
/// data, or it is the kernel's page of zeros, which many mappings share (Linux, admin-guide/mm/pagemap).
fn is_written(page: PageInfo) -> bool {
    let PageInfo::MemoryPage(flags) = page else { return true };
    flags.contains(MemoryPageFlags::PRESENT | MemoryPageFlags::MMAP_EXCLUSIVE) && !flags.contains(MemoryPageFlags::FILE)
}
