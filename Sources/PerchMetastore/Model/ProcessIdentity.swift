// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
public import PerchSDK

/// What tells a process of this machine from every other one, a later one of the same number included.
public struct ProcessIdentity: Sendable, Hashable {
    public var pid: Int32
    /// In clock ticks since boot.
    public var startTime: Int64
    /// The id that the kernel drew when it started.
    public var bootID: String
    public var host: String

    /// An identity from its parts.
    public init(pid: Int32, startTime: Int64, bootID: String, host: String) {
        self.pid = pid
        self.startTime = startTime
        self.bootID = bootID
        self.host = host
    }

    /// The process of this machine that has an id now; nil where there is none.
    public init?(of pid: Int32) {
        var start: Int64 = 0
        var session: pid_t = 0
        var state: CChar = 0
        guard let boot = Self.thisBoot, let host = Self.thisHost,
            clinux_process_times(pid, &start, &session, &state) == 0,
            // One that has ended and was not collected by its parent runs no more.
            state != CChar(UInt8(ascii: "Z")), state != CChar(UInt8(ascii: "X"))
        else { return nil }
        self.init(pid: pid, startTime: start, bootID: boot, host: host)
    }

    /// The calling process.
    /// - Throws: `PerchError` (`unavailable`) where `/proc` cannot be read.
    public static func current() throws(PerchError) -> ProcessIdentity {
        guard let own = ProcessIdentity(of: getpid()) else {
            throw PerchError(.unavailable, "/proc says nothing about this process; Perch needs it mounted")
        }
        return own
    }

    /// The boot that this process belongs to; nil where `/proc` cannot be read.
    static let thisBoot = firstLine(of: "/proc/sys/kernel/random/boot_id")
    /// The machine's name; nil where `/proc` cannot be read.
    static let thisHost = firstLine(of: "/proc/sys/kernel/hostname")

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
