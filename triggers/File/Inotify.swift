// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchReactor

/// One inotify descriptor.
final class Inotify: FileWatcher {
    private let descriptor: Int32
    private let loop: any EventLoop
    private var buffer = [UInt8](repeating: 0, count: 64 * 1_024)

    /// What is watched in every directory: entries that come, change, end to be written, and go, and its own fate.
    private static let mask = UInt32(
        IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF
            | IN_ONLYDIR | IN_MASK_ADD)

    /// Nil where the system gives no more of them, or none that a loop can wait for.
    init?(loop: any EventLoop, ready: @escaping () -> Void) {
        self.loop = loop
        descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard descriptor >= 0 else { return nil }
        do {
            try loop.watch(descriptor, for: .read) { _ in ready() }
        } catch {  // because without events everything is polled, and says so
            _ = Glibc.close(descriptor)
            return nil
        }
    }

    func watch(_ path: String, writes: Bool) -> Int32 {
        let watch = inotify_add_watch(descriptor, path, Self.mask | (writes ? UInt32(IN_MODIFY) : 0))
        return watch >= 0 ? watch : -errno
    }

    func unwatch(_ watch: Int32) {
        // One that the kernel has dropped already is gone.
        _ = inotify_rm_watch(descriptor, watch)
    }

    func read() -> [WatchEvent] {
        let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { return [] }
        var events: [WatchEvent] = []
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
                    WatchEvent(
                        watch: watch, kind: Self.kind(of: mask),
                        name: String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)))
                offset += header + length
            }
        }
        return events
    }

    private static func kind(of mask: UInt32) -> WatchEvent.Kind {
        if mask & UInt32(IN_Q_OVERFLOW) != 0 { return .overflow }
        if mask & UInt32(IN_MOVE_SELF) != 0 { return .movedAway }
        return mask & UInt32(IN_DELETE_SELF | IN_UNMOUNT | IN_IGNORED) != 0 ? .gone : .changed
    }

    func close() {
        loop.unwatch(descriptor)
        _ = Glibc.close(descriptor)
    }
}
