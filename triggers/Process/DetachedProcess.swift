// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchSDK

/// A process that outlives the task that started it, and the engine: it leads a session of its own.
public struct DetachedProcess: Codable, Hashable, Sendable {
    /// Of its supervisor, a shell that leads its session and writes down how it ends.
    public let pid: Int32
    /// In clock ticks since boot: tells it from a later process of the same id.
    public let startTime: Int64
    /// The id that the kernel drew when it started.
    public let bootID: String
    /// The machine on which it runs.
    public let host: String
    /// Where its output and its end are written; nil where it was not started here.
    public let records: String?

    enum CodingKeys: String, CodingKey {
        case pid, host, records
        case startTime = "start_time"
        case bootID = "boot_id"
    }

    /// Reads what it is coded as, and numbers that stand in strings: they were templates.
    /// - Throws: `PerchError` (`invalid`) where one is no number.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        func number<Number: FixedWidthInteger & Decodable>(_ key: CodingKeys, _ type: Number.Type) throws -> Number {
            guard let text = try? fields.decode(String.self, forKey: key) else {  // because it is a number as a rule
                return try fields.decode(type, forKey: key)
            }
            guard let number = Number(text), number >= 0 else {
                throw PerchError(.invalid, "'\(key.stringValue)' of the process is no number: '\(text.shown(40))'")
            }
            return number
        }
        pid = try number(.pid, Int32.self)
        startTime = try number(.startTime, Int64.self)
        bootID = try fields.decode(String.self, forKey: .bootID)
        host = try fields.decode(String.self, forKey: .host)
        records = try fields.decodeIfPresent(String.self, forKey: .records)
    }

    package init(pid: Int32, startTime: Int64, bootID: String, host: String, records: String?) {
        self.pid = pid
        self.startTime = startTime
        self.bootID = bootID
        self.host = host
        self.records = records
    }

    /// The process of this machine that has an id now; nil where there is none.
    public init?(pid: Int32) {
        guard pid > 0, let start = Self.startTime(of: pid), let boot = Self.thisBoot, let host = Self.thisHost else {
            return nil
        }
        self.init(pid: pid, startTime: start, bootID: boot, host: host, records: nil)
    }

    /// What it prints, errors included; nil where it was not started here.
    public var output: String? { records.map { $0 + "/output" } }

    /// Whether it runs at this moment.
    public var isRunning: Bool { bootID == Self.thisBoot && Self.startTime(of: pid) == startTime }

    /// Its end, as far as it is written down; nil where nothing (whole) is.
    public var recordedEnd: ProcessEnd? {
        guard let records, let text = Self.text(of: records + "/end"), text.hasSuffix("\n") else { return nil }
        let parts = text.dropLast().split(separator: " ")
        guard parts.count == 2, let code = Int32(parts[0]), let nanoseconds = Int64(parts[1]) else { return nil }
        let at = Timestamp(microseconds: nanoseconds / 1_000)
        // A shell reports the end by signal n as 128 + n.
        return code > 128 && code <= 192
            ? ProcessEnd(signal: code - 128, endedAt: at) : ProcessEnd(exitCode: code, endedAt: at)
    }

    /// Sends a signal to the process and what it has started in its group; SIGTERM unless another is named. Does nothing
    /// where it has ended. Meant for `onKill`.
    public func terminate(signal: Int32 = 15) {
        guard isRunning else { return }
        // Nobody else has the number while a member of the group lives; where there is nobody, nothing happens.
        kill(records == nil ? pid : -pid, signal)
    }

    /// The start time of a running process; nil where there is none, or it has ended and only waits to be collected.
    static func startTime(of pid: Int32) -> Int64? {
        var start: Int64 = 0
        var session: pid_t = 0
        var state: CChar = 0
        guard clinux_process_times(pid, &start, &session, &state) == 0,
            state != CChar(UInt8(ascii: "Z")), state != CChar(UInt8(ascii: "X"))
        else { return nil }
        return start
    }

    static let thisBoot = line(of: "/proc/sys/kernel/random/boot_id")
    static let thisHost = line(of: "/proc/sys/kernel/hostname")

    private static func line(of path: String) -> String? {
        text(of: path).map { String($0.prefix { $0 != "\n" }) }
    }

    /// The start of a small file; nil where it cannot be read.
    static func text(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = read(descriptor, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
