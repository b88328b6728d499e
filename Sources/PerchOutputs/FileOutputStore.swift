// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// Outputs as files of a home. A file appears with its whole content or not at all: it is written beside its place, brought
/// to the disk and renamed. A crash leaves at worst a file that no row refers to; it goes with the files of its run.
package struct FileOutputStore: OutputStore {
    /// The directory that holds them.
    package let directory: String

    package init(directory: String) { self.directory = directory }

    package func write(_ bytes: [UInt8], as name: String) throws {
        let path = "\(directory)/\(name)"
        let made = try makeFolders(of: path)
        let part = path + ".part"
        let file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw Self.fault("create", part) }
        do {
            try Self.fill(file, bytes, part)
            guard fsync(file) == 0 else { throw Self.fault("bring to the disk", part) }
        } catch {
            close(file)
            unlink(part)
            throw error
        }
        guard close(file) == 0 else { throw Self.fault("close", part) }
        guard rename(part, path) == 0 else { throw Self.fault("rename", part) }
        for folder in made { try Self.bringToDisk(folder) }
    }

    /// Whether there is a file that reaches as far as a reference does; not whether it is the right one.
    package func reaches(_ reference: OutputReference) -> Bool {
        var status = stat()
        guard lstat("\(directory)/\(reference.name)", &status) == 0 else { return false }
        return reference.size <= Int(status.st_size) - reference.offset
    }

    package func read(_ name: String, from offset: Int, count: Int) throws -> [UInt8] {
        let path = "\(directory)/\(name)"
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else {
            if errno == ENOENT {
                throw PerchError(
                    .unavailable, "the output in \(path) is missing; clear the task that gave it, or put the file back")
            }
            throw Self.fault("open", path)
        }
        defer { close(file) }
        var failure: PerchError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = 0
            while filled < count {
                let found = pread(file, buffer.baseAddress! + filled, count - filled, offset + filled)
                if found < 0, errno == EINTR { continue }
                if found < 0 { failure = Self.fault("read", path) }
                guard found > 0 else { return }
                filled += found
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Makes the folders of a path. Gives those whose entries have changed, or will by the file itself.
    private func makeFolders(of path: String) throws -> [String] {
        var missing: [String] = []
        var folder = Self.parent(of: path)
        var changed = [folder]
        while !folder.isEmpty, access(folder, F_OK) != 0 {
            missing.append(folder)
            folder = Self.parent(of: folder)
            changed.append(folder)
        }
        for folder in missing.reversed() where mkdir(folder, 0o700) != 0 && errno != EEXIST {
            throw Self.fault("create", folder)
        }
        return changed
    }

    private static func parent(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
    }

    private static func fill(_ file: Int32, _ bytes: [UInt8], _ path: String) throws {
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw fault("write", path) }
            written += count
        }
    }

    private static func bringToDisk(_ folder: String) throws {
        let file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw fault("open", folder) }
        defer { close(file) }
        guard fsync(file) == 0 else { throw fault("bring to the disk", folder) }
    }

    private static func fault(_ what: String, _ path: String) -> PerchError {
        PerchError(.unavailable, "cannot \(what) \(path): \(String(cString: strerror(errno)))")
    }
}
