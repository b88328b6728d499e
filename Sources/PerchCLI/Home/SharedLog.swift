// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchExecutor
internal import PerchMetastore
internal import PerchSDK

/// Where the logs of attempts are to be found of a metastore whose workers may be on other machines.
struct SharedLogs {
    let metastore: Metastore
    /// This machine and this home, as a worker here says it.
    let origin: String
    let archive: LogArchive?

    /// Nil where the metastore is a file of the home, and the logs are files beside it.
    init?(_ home: Home, _ metastore: Metastore) throws {
        guard try home.postgres() != nil else { return nil }
        self.metastore = metastore
        origin = try Self.origin(of: home)
        archive = try Self.archive(of: home.configuration(flags: [], environment: ProcessEnvironment.current))
    }

    static func origin(of home: Home) throws -> String { try "\(SystemProcesses().current().host):\(home.path)" }

    static func archive(of configuration: Configuration) throws -> LogArchive? {
        try configuration.text("logs.archive").map { LogArchive(directory: try Home.absolute($0)) }
    }

    /// The log of a try; nil where there is none by now.
    func source(_ key: TaskInstanceKey, _ log: LogID, file path: String) async throws -> SharedLog? {
        let origins = try await metastore.read { try $0.logOrigins(log) }
        if origins.isEmpty, access(path, F_OK) != 0 { return nil }
        return SharedLog(logs: self, key: key, log: log, path: path)
    }
}

/// The log of a try: the file of this home as long as all of it comes from here, else what its workers have sent.
struct SharedLog: LogSource {
    private let logs: SharedLogs
    private let key: TaskInstanceKey
    private let log: LogID
    private let path: String
    /// So many bytes were read.
    private var offset: Int64 = 0
    private var isElsewhere = false

    init(logs: SharedLogs, key: TaskInstanceKey, log: LogID, path: String) {
        self.logs = logs
        self.key = key
        self.log = log
        self.path = path
    }

    private static let most = 1 << 20

    /// Sees whether others have said something of it meanwhile.
    private mutating func look() async throws {
        guard !isElsewhere else { return }
        let (log, own) = (log, logs.origin)
        let foreign = try await logs.metastore.read { try $0.firstByte(of: log, notFrom: own) }
        isElsewhere = foreign != nil || access(path, R_OK) != 0
        // The file may have had more than was sent of it: what others say begins where they say it.
        if let foreign { offset = min(offset, foreign) }
    }

    mutating func size() async throws -> Int64 {
        try await look()
        let log = log
        guard isElsewhere else { return try LogFile(path: path)?.size() ?? 0 }
        return try await logs.metastore.read { try $0.logEnd(log) }
    }

    mutating func seek(to byte: Int64) { offset = byte }

    mutating func next() async throws -> [UInt8] {
        let log = log
        try await look()
        let from = offset
        let bytes: [UInt8]
        if isElsewhere {
            let part = try await logs.metastore.read { try $0.logParts(log, from: from, limit: 1).first }
            guard let part else { return [] }
            let count = min(Self.most, Int(part.end - offset))
            bytes =
                if let text = part.text {
                    Array(Array(text.utf8).dropFirst(Int(offset - part.start)))
                } else {
                    try archived(count, of: part)
                }
        } else {
            bytes = try LogArchive.read(path, from: offset, count: Self.most)
        }
        offset += Int64(bytes.count)
        return bytes
    }

    private func archived(_ count: Int, of part: LogPart) throws -> [UInt8] {
        let file = AttemptLogPath.file(of: key, tryNumber: log.tryNumber)
        guard let archive = logs.archive else {
            throw PerchError(
                .unavailable,
                "the worker of \(part.origin) has moved this log into its archive: set logs.archive to that directory")
        }
        do {
            let bytes = try LogArchive.read("\(archive.directory)/\(file)", from: offset, count: count)
            if !bytes.isEmpty { return bytes }
        } catch let error as PerchError where error.code == .notFound {}
        throw PerchError(
            .unavailable,
            """
            the worker of \(part.origin) has moved this log into its archive, and \(archive.directory)/\(file) has \
            less of it: logs.archive is to be a directory that all machines see
            """)
    }
}
