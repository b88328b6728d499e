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
        let file = try WholeFile(path, writtenAs: path + ".part", mode: 0o600, folderMode: 0o700)
        try file.write(bytes[...])
        try file.finish()
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
            throw WholeFile.fault("open", path)
        }
        defer { close(file) }
        var failure: PerchError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = 0
            while filled < count {
                let found = pread(file, buffer.baseAddress! + filled, count - filled, offset + filled)
                if found < 0, errno == EINTR { continue }
                if found < 0 { failure = WholeFile.fault("read", path) }
                guard found > 0 else { return }
                filled += found
            }
        }
        if let failure { throw failure }
        return bytes
    }
}
