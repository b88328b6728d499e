// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchMetastore

/// What tells a process from every other one, before and after it.
struct ProcessIdentity: Sendable, Hashable {
    var pid: Int32
    /// In clock ticks since boot.
    var startTime: Int64
    var bootID: String
    var host: String

    /// The identity of a process of this machine; nil where there is none of that id.
    init?(of pid: Int32) {
        var start: Int64 = 0
        var session: pid_t = 0
        var state: CChar = 0
        guard clinux_process_times(pid, &start, &session, &state) == 0 else { return nil }
        self.pid = pid
        startTime = start
        bootID = Self.thisBoot
        host = Self.thisHost
    }

    /// The process that started another one.
    static func parent(of pid: Int32) -> Int32? {
        var parent: pid_t = 0
        return clinux_parent(pid, &parent) == 0 ? parent : nil
    }

    /// This process.
    static var own: ProcessIdentity? { ProcessIdentity(of: getpid()) }

    /// The id that the kernel drew when it started.
    static let thisBoot = firstLine(of: "/proc/sys/kernel/random/boot_id") ?? "unknown"
    /// The machine's name.
    static let thisHost = firstLine(of: "/proc/sys/kernel/hostname") ?? "localhost"

    private static func firstLine(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        return String(decoding: bytes[..<count].prefix { $0 != 0x0A }, as: UTF8.self)
    }
}

extension ProcessRow {
    /// Whether the process that was recorded is the one that runs under its id now.
    var isAliveHere: Bool {
        guard isOfThisBoot, let now = ProcessIdentity(of: pid) else { return false }
        return now.startTime == startTime
    }

    /// Whether it ran on this machine since it was started.
    var isOfThisBoot: Bool { bootID == ProcessIdentity.thisBoot && host == ProcessIdentity.thisHost }

    /// Ends a recorded bundle whose engine is gone, and what it started. Returns whether there was anything to end.
    func endBundle(mark: String) -> Bool {
        guard isOfThisBoot else { return false }
        // Of a bundle that is gone only what carries its mark is ended: its session's number may be another's by now.
        let leads = isAliveHere
        if leads { kill(pid, SIGKILL) }
        let others = clinux_kill_session(pid, leads ? pid : 0, mark)
        return leads || others > 0
    }
}
