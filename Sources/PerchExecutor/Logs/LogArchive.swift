// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import PerchMetastore
internal import PerchSDK

/// A directory for the logs of attempts that have ended, one that all machines see: files in the scheme of a home's own.
///
/// A log is a file as a whole before its rows go; whatever dies in between leaves both, and both say the same.
package struct LogArchive: Sendable {
    package let directory: String

    package init(directory: String) { self.directory = directory }

    /// Where the log of a try is, if it is there.
    package func path(of key: TaskInstanceKey, tryNumber: Int) -> String {
        "\(directory)/\(AttemptLogPath.file(of: key, tryNumber: tryNumber))"
    }

    /// So often it begins anew where somebody adds to the log meanwhile; then it stays where it is.
    private static let attempts = 3

    /// Moves a log out of the metastore. What was moved before is kept, what is there twice is not said twice.
    ///
    /// - Parameter worker: Tells its part of a file from those of other workers.
    /// - Throws: `PerchError` (`unavailable`) where the directory cannot be written; what the metastore throws.
    @concurrent func take(_ logged: LoggedTry, from metastore: Metastore, as worker: Int64) async throws {
        let log = logged.log
        let path = path(of: logged.key, tryNumber: log.tryNumber)
        for _ in 0..<Self.attempts {
            var parts = try await metastore.read { try $0.logParts(log, from: 0) }
            guard parts.contains(where: { $0.text != nil }) else { return }
            try Self.makeFolders(of: path)
            let file = try PartFile(path: "\(path).part-\(worker)")
            var end: Int64 = 0
            while !parts.isEmpty {
                for part in parts {
                    let bytes = try part.text.map { Array($0.utf8) } ?? self.bytes(of: part, path)
                    try file.write(bytes.dropFirst(max(0, Int(end - part.start))))
                    end = part.end
                }
                let start = end
                parts = try await metastore.read { try $0.logParts(log, from: start) }
            }
            try file.finish(as: path)
            let reached = end
            if try await metastore.write({ try $0.archiveLog(log, through: reached) }) { return }
        }
    }

    private func bytes(of part: LogPart, _ path: String) throws -> [UInt8] {
        let bytes = try Self.read(path, from: part.start, count: Int(part.size))
        guard bytes.count == Int(part.size) else {
            throw PerchError(.unavailable, "the log \(path) is shorter than what was written into it")
        }
        return bytes
    }

    /// So many bytes of a log's file, from a place on; fewer where it ends before.
    /// - Throws: `PerchError`: `notFound` where there is no such file, `unavailable` where it cannot be read.
    package static func read(_ path: String, from offset: Int64, count: Int) throws -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { throw PerchError(.notFound, "there is no log \(path)") }
            throw fault("open", path)
        }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let found = bytes.withUnsafeMutableBytes {
                pread(file, $0.baseAddress! + filled, count - filled, off_t(offset) + filled)
            }
            if found < 0, errno == EINTR { continue }
            guard found >= 0 else { throw fault("read", path) }
            if found == 0 { break }
            filled += found
        }
        return Array(bytes[..<filled])
    }

    private static func makeFolders(of path: String) throws {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return }
        let folder = String(path[..<slash])
        if access(folder, F_OK) == 0 { return }
        try makeFolders(of: folder)
        guard mkdir(folder, 0o750) == 0 || errno == EEXIST else { throw fault("create", folder) }
    }

    static func fault(_ what: String, _ path: String) -> PerchError {
        PerchError(.unavailable, "cannot \(what) \(path): \(String(cString: strerror(errno)))")
    }
}

/// A file that is written beside its place; where it does not get there, nothing is left of it.
private final class PartFile {
    private let path: String
    private var descriptor: Int32

    init(path: String) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o640)
        guard descriptor >= 0 else { throw LogArchive.fault("create", path) }
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        unlink(path)
    }

    func write(_ bytes: ArraySlice<UInt8>) throws {
        try bytes.withUnsafeBytes { buffer in
            var written = 0
            while written < buffer.count {
                let count = Glibc.write(descriptor, buffer.baseAddress! + written, buffer.count - written)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw LogArchive.fault("write", path) }
                written += count
            }
        }
    }

    /// Brings it to the disk and to its place.
    func finish(as place: String) throws {
        guard fsync(descriptor) == 0 else { throw LogArchive.fault("bring to the disk", path) }
        // One that stood still before this has less than another has brought there meanwhile.
        var (own, there) = (stat(), stat())
        guard fstat(descriptor, &own) == 0 else { throw LogArchive.fault("look at", path) }
        if stat(place, &there) == 0, there.st_size > own.st_size { return }
        guard rename(path, place) == 0 else { throw LogArchive.fault("rename", path) }
        close(descriptor)
        descriptor = -1
        let folder = String(place[..<(place.lastIndex(of: "/") ?? place.startIndex)])
        let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw LogArchive.fault("open", folder) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw LogArchive.fault("bring to the disk", folder) }
    }
}
