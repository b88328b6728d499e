// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchReactor

/// The files of the machine.
final class SystemFiles: FileSystem {
    func status(of path: String, followsLinks: Bool) -> Result<FileStatus, FileFault> {
        var status = clinux_status()
        let number = clinux_status(path, followsLinks ? 1 : 0, &status)
        guard number == 0 else { return .failure(FileFault(number)) }
        return .success(
            FileStatus(
                device: status.device, inode: status.inode, size: status.size,
                modified: Self.nanoseconds(status),
                isDirectory: status.is_directory != 0, isLink: status.is_link != 0))
    }

    /// Cut to what can be counted: file systems know times long after the year 2262.
    private static func nanoseconds(_ status: clinux_status) -> Int64 {
        let (product, overflow) = status.modified_seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflowToo) = product.addingReportingOverflow(status.modified_nanoseconds)
        return overflow || overflowToo ? (status.modified_seconds > 0 ? .max : .min) : sum
    }

    func entries(of path: String) -> Result<any FileEntries, FileFault> {
        guard let stream = opendir(path) else { return .failure(FileFault(errno)) }
        return .success(SystemFileEntries(stream))
    }

    func type(of path: String) -> UInt64? {
        var type: UInt64 = 0
        return clinux_file_system_type(path, &type) == 0 ? type : nil
    }

    func makeWatcher(on loop: any EventLoop, ready: @escaping () -> Void) -> (any FileWatcher)? {
        Inotify(loop: loop, ready: ready)
    }
}

/// The entries of one directory of the machine.
final class SystemFileEntries: FileEntries {
    private var stream: OpaquePointer?

    init(_ stream: OpaquePointer) {
        self.stream = stream
    }

    func next() -> String? {
        while let stream, let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { return name }
        }
        return nil
    }

    func close() {
        if let stream { closedir(stream) }
        stream = nil
    }

    deinit { close() }
}
