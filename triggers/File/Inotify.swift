// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc

/// One inotify descriptor.
final class Inotify {
    struct Event {
        var watch: Int32
        var mask: UInt32
        /// The entry of the directory that it is about; empty where it is about the directory itself.
        var name: String

        /// The directory is no longer at its path, or no longer watched.
        var isEnd: Bool {
            mask & UInt32(IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED) != 0
        }
        var isOverflow: Bool { mask & UInt32(IN_Q_OVERFLOW) != 0 }
        var isMovedSelf: Bool { mask & UInt32(IN_MOVE_SELF) != 0 }
    }

    let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: 64 * 1_024)

    /// What is watched in every directory: entries that come, change, end to be written, and go, and its own fate.
    private static let mask = UInt32(
        IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF
            | IN_ONLYDIR | IN_MASK_ADD)

    /// Nil where the system gives no more of them; `errno` says why.
    init?() {
        descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard descriptor >= 0 else { return nil }
    }

    /// Watches a directory, with every write to its files if wanted. The watch, or a negative errno.
    func watch(_ path: String, writes: Bool) -> Int32 {
        let watch = inotify_add_watch(descriptor, path, Self.mask | (writes ? UInt32(IN_MODIFY) : 0))
        return watch >= 0 ? watch : -errno
    }

    func unwatch(_ watch: Int32) {
        // One that the kernel has dropped already is gone.
        _ = inotify_rm_watch(descriptor, watch)
    }

    /// The next events, a buffer full at most; empty when there are no more.
    func read() -> [Event] {
        let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { return [] }
        var events: [Event] = []
        events.reserveCapacity(count / 32)
        buffer.withUnsafeBytes { bytes in
            var offset = 0
            let header = MemoryLayout<inotify_event>.size
            while offset + header <= count {
                let watch = bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)
                let mask = bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                let length = Int(bytes.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
                let name = bytes[(offset + header)..<min(offset + header + length, count)]
                events.append(
                    Event(watch: watch, mask: mask, name: String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)))
                offset += header + length
            }
        }
        return events
    }

    func close() {
        _ = Glibc.close(descriptor)
    }
}
