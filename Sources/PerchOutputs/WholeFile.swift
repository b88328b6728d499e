// SPDX-License-Identifier: Apache-2.0

package import Glibc
package import PerchSDK

/// A file that appears with its whole content or not at all: it is written beside its place, brought to the disk and renamed,
/// and the folders that have changed by it are brought to the disk, too. Where it does not get there, nothing is left of it.
package final class WholeFile {
    private let place: String
    private let part: String
    /// Those whose entries have changed, or will by the file itself; the innermost first.
    private let folders: [String]
    /// -1: closed.
    private var descriptor: Int32
    /// Whether there is something to take away.
    private var isPart = false

    /// Begins a file. Its folders are made.
    ///
    /// - Parameters:
    ///   - place: Where it is to be.
    ///   - part: Where it is until then, in the same folder.
    ///   - mode: Who may read and write it.
    ///   - folderMode: The same of folders that are made for it.
    /// - Throws: `PerchError` (`unavailable`) that says what cannot be done, and where.
    package init(_ place: String, writtenAs part: String, mode: mode_t, folderMode: mode_t) throws {
        self.place = place
        self.part = part
        folders = try Self.makeFolders(of: place, mode: folderMode)
        descriptor = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw Self.fault("create", part) }
        isPart = true
    }

    deinit { discard() }

    /// Adds bytes.
    package func write(_ bytes: ArraySlice<UInt8>) throws {
        try bytes.withUnsafeBytes { buffer in
            var written = 0
            while written < buffer.count {
                let rest = UnsafeRawBufferPointer(rebasing: buffer[written...])
                let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw Self.fault("write", part) }
                written += count
            }
        }
    }

    /// Brings it to the disk and to its place.
    ///
    /// - Parameter keepingLonger: One that is there already and longer stays, and this one goes.
    package func finish(keepingLonger: Bool = false) throws {
        guard fsync(descriptor) == 0 else { throw Self.fault("bring to the disk", part) }
        if keepingLonger {
            var (own, there) = (stat(), stat())
            guard fstat(descriptor, &own) == 0 else { throw Self.fault("look at", part) }
            if stat(place, &there) == 0, there.st_size > own.st_size { return discard() }
        }
        let file = descriptor
        descriptor = -1
        guard close(file) == 0 else { throw Self.fault("close", part) }
        guard rename(part, place) == 0 else { throw Self.fault("rename", part) }
        isPart = false
        for folder in folders { try Self.bringToDisk(folder) }
    }

    /// Takes away what was written. Nothing, where it is in its place.
    package func discard() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        if isPart { unlink(part) }
        isPart = false
    }

    /// What the system said when something could not be done.
    package static func fault(_ what: String, _ path: String) -> PerchError {
        PerchError(.unavailable, "cannot \(what) \(path): \(String(cString: strerror(errno)))")
    }

    private static func makeFolders(of path: String, mode: mode_t) throws -> [String] {
        var missing: [String] = []
        var folder = parent(of: path)
        var changed = [folder]
        while !folder.isEmpty, access(folder, F_OK) != 0 {
            missing.append(folder)
            folder = parent(of: folder)
            changed.append(folder)
        }
        for folder in missing.reversed() where mkdir(folder, mode) != 0 && errno != EEXIST {
            throw fault("create", folder)
        }
        return changed
    }

    private static func parent(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
    }

    private static func bringToDisk(_ folder: String) throws {
        let file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw fault("open", folder) }
        defer { close(file) }
        guard fsync(file) == 0 else { throw fault("bring to the disk", folder) }
    }
}
