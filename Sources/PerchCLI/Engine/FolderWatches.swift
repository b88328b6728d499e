// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchReactor

/// Tells that something has changed in one of some folders, by inotify, and not what. Lives on a reactor's thread.
final class FolderWatches {
    private let loop: any EventLoop
    /// What is told of a folder.
    private let mask: UInt32
    private let heard: () -> Void
    private var descriptor: Int32 = -1
    private var folders: [Int32: String] = [:]

    /// Whether the machine grants any watches.
    var isOpen: Bool { descriptor >= 0 }

    /// What came of watching folders.
    struct Added {
        /// Whether some of them were not watched before: something may have come into them meanwhile.
        var isAny = false
        /// The first for which the machine has no watch left.
        var refused: String?
    }

    init(on loop: any EventLoop, mask: UInt32, heard: @escaping () -> Void) {
        self.loop = loop
        self.mask = mask
        self.heard = heard
    }

    /// - Parameter folder: The one that is named where it fails.
    func open(for folder: String) throws {
        descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard isOpen else { throw TextFile.fault("watch", folder) }
        try loop.watch(descriptor, for: .read) { [self] _ in drain() }
    }

    /// Watches those that are not watched yet. Folders that are gone meanwhile are left out.
    func add(_ wanted: some Sequence<String>) -> Added {
        var added = Added()
        guard isOpen else { return added }
        let known = Set(folders.values)
        for folder in wanted where !known.contains(folder) {
            let number = inotify_add_watch(descriptor, folder, mask | UInt32(IN_ONLYDIR))
            if number >= 0 {
                folders[number] = folder
                added.isAny = true
            } else if errno == ENOSPC {
                added.refused = added.refused ?? folder
            }
        }
        return added
    }

    func close() {
        guard isOpen else { return }
        loop.unwatch(descriptor)
        Glibc.close(descriptor)
        descriptor = -1
    }

    private func drain() {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            var offset = 0
            while offset + MemoryLayout<inotify_event>.size <= count {
                let event = buffer.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: inotify_event.self) }
                if event.mask & UInt32(IN_IGNORED) != 0 { folders[event.wd] = nil }
                offset += MemoryLayout<inotify_event>.size + Int(event.len)
            }
        }
        heard()
    }
}
