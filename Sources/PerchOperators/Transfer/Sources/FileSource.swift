// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// Rows of a file.
struct FileSource: RowSource {
    private let path: String
    private let format: DataFormat
    private let columns: [TransferColumn]
    private let stop: StopSignal

    init(_ path: String, _ format: DataFormat, _ columns: [TransferColumn], _ stop: StopSignal) {
        self.path = path
        self.format = format
        self.columns = columns
        self.stop = stop
    }

    func read(into pipe: TransferPipe) throws {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw Self.failure("opened", path) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
            throw NonRetryable("\(path.shown(300)) is a folder")
        }
        try Self.read(file, path.shown(300), format.reader(into: pipe, columns), stop)
    }

    /// Reads a file to its end. What is wrong in it is said with its name.
    static func read(_ file: Int32, _ name: String, _ reader: any RowReader, _ stop: StopSignal) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        do {
            while true {
                try stop.check()
                let count = Glibc.read(file, buffer.baseAddress, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw failure("read", name) }
                if count == 0 { break }
                try reader.take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
            try reader.end()
        } catch let error as NonRetryable {
            throw NonRetryable("\(name): \(error.message)")
        }
    }

    private static func failure(_ what: String, _ path: String) -> PerchError {
        PerchError(.unavailable, "\(path.shown(300)) cannot be \(what): \(String(cString: strerror(errno)))")
    }
}
