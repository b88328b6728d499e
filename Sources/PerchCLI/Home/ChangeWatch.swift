// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchSDK

/// Waits, without polling, until files have been written to: how a command follows a run or a log.
final class ChangeWatch {
    private let descriptor: Int32
    private var paths: [String]
    private var watched: Set<String> = []

    /// Watches files; those that do not exist yet are tried again at each wait.
    init(paths: [String]) throws {
        descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard descriptor >= 0 else { throw TextFile.fault("watch", paths.first ?? "a file") }
        self.paths = paths
        arm()
    }

    deinit { close(descriptor) }

    /// Watches one more file.
    func add(_ path: String) {
        if !paths.contains(path) { paths.append(path) }
    }

    /// Returns after a change, when another descriptor can be read, after a signal, and after a second at the latest.
    /// Changes within 20 ms of one another are one.
    func wait(orReadable other: Int32 = -1) {
        arm()
        // The kernel passes over a descriptor below 0.
        var entries = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: other, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&entries, 2, 1000) > 0, entries[0].revents != 0 else { return }
        _ = poll(nil, 0, 20)
        var buffer = [UInt8](repeating: 0, count: 4096)
        while read(descriptor, &buffer, buffer.count) > 0 {}
    }

    /// Holds the command up for a moment.
    static func pause(milliseconds: Int32) { _ = poll(nil, 0, milliseconds) }

    private func arm() {
        for path in paths where !watched.contains(path) {
            if inotify_add_watch(descriptor, path, UInt32(IN_MODIFY)) >= 0 { watched.insert(path) }
        }
    }
}
