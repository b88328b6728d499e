// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore

/// The files on a disk's medium: what is there after a power loss that nothing else survives.
package struct DiskImage: Sendable, Equatable {
    /// A file by its name.
    package struct File: Sendable, Equatable {
        package var name: String
        package var bytes: [UInt8]
    }

    /// In the order of names.
    package var files: [File]

    /// Nothing.
    package static let empty = DiskImage(files: [])

    /// A metastore whose schema is current and that has no rows of anybody; made once in a program.
    package static let migrated: DiskImage = {
        do {
            let disk = SimulatedDisk(seed: 1)
            let driver = try SimulatedDriver(disk: disk)
            _ = try Migrations.migrate(driver, path: SimulatedDriver.fileName)
            try driver.close()
            return disk.image().unmounted
        } catch {
            preconditionFailure("the schema cannot be made on a disk without faults: \(error)")
        }
    }()

    /// The metastore alone, as a clean end leaves it: without the journals whose removal no power loss may undo any more.
    package var unmounted: DiskImage {
        DiskImage(files: files.filter { $0.name == SimulatedDriver.fileName })
    }

    /// The bytes of a file; nil where it is not there.
    package subscript(_ name: String) -> [UInt8]? {
        files.first { $0.name == name }?.bytes
    }

    /// The same image with the marks taken out that SQLite draws by chance: the salts of a write-ahead log and the sums
    /// over them. The same history gives the same bytes of everything else.
    package var withoutSalts: DiskImage {
        DiskImage(
            files: files.map { file in
                guard file.name.hasSuffix("-wal"), file.bytes.count >= Self.logHeader else { return file }
                var bytes = file.bytes
                let pageSize = bytes[8..<12].reduce(0) { $0 << 8 | Int($1) }
                guard pageSize > 0 else { return file }
                Self.clear(&bytes, 16..<Self.logHeader)
                for frame in stride(from: Self.logHeader, to: bytes.count, by: Self.frameHeader + pageSize) {
                    Self.clear(&bytes, frame + 8..<frame + Self.frameHeader)
                }
                return File(name: file.name, bytes: bytes)
            })
    }

    private static let logHeader = 32
    private static let frameHeader = 24

    private static func clear(_ bytes: inout [UInt8], _ range: Range<Int>) {
        for index in range where index < bytes.count { bytes[index] = 0 }
    }
}
