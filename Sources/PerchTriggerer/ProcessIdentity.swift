// SPDX-License-Identifier: Apache-2.0

import Glibc
public import PerchMetastore
public import PerchSDK

/// What tells a process of this machine from every other one, a later one of the same number included.
public struct ProcessIdentity: Sendable, Hashable {
    public var pid: Int32
    /// In clock ticks since boot, from `/proc/<pid>/stat`.
    public var startTime: Int64
    public var bootID: String
    public var host: String

    /// An identity from its parts.
    public init(pid: Int32, startTime: Int64, bootID: String, host: String) {
        self.pid = pid
        self.startTime = startTime
        self.bootID = bootID
        self.host = host
    }

    /// The calling process.
    /// - Throws: `PerchError` (`unavailable`) where `/proc` cannot be read.
    public static func current() throws(PerchError) -> ProcessIdentity {
        let pid = getpid()
        guard let startTime = Self.startTime(of: pid), let boot = read("/proc/sys/kernel/random/boot_id"),
            let host = read("/proc/sys/kernel/hostname")
        else { throw PerchError(.unavailable, "/proc cannot be read: is it mounted?") }
        return ProcessIdentity(pid: pid, startTime: startTime, bootID: line(boot), host: line(host))
    }

    /// Whether a recorded process of this machine has certainly ended. False for those of other machines: of them only
    /// their lease tells.
    public func hasEnded(_ row: ProcessRow) -> Bool {
        guard row.host == host else { return false }
        guard row.bootID == bootID else { return true }
        return Self.startTime(of: row.pid) != row.startTime
    }

    private static func startTime(of pid: Int32) -> Int64? {
        guard let bytes = read("/proc/\(pid)/stat"), let name = bytes.lastIndex(of: UInt8(ascii: ")")) else {
            return nil
        }
        // The name may hold anything; behind it stand the third field and what follows, of which the 22nd is wanted.
        let fields = bytes[(name + 1)...].split(separator: UInt8(ascii: " "))
        guard fields.count > 19 else { return nil }
        return Int64(String(decoding: fields[19], as: UTF8.self))
    }

    private static func line(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    private static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        return Array(bytes.prefix(count))
    }
}
