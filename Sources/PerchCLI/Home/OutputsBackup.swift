// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import PerchOutputs
internal import PerchSDK
internal import Synchronization

/// The copy of a home's long outputs that goes with a copy of its metastore.
///
/// What the copied rows refer to has to be in it, while files come and others go. A file is written before its row, and
/// never again; one goes when its run is forgotten and an hour has passed since. So what there is is copied before the
/// metastore is, and what has come meanwhile after it: whatever is swept in between was copied before. Files that no row
/// refers to may be among them; they are swept from a restored home as from any other.
final class OutputsBackup: Sendable {
    /// The directory that holds the copy when it is whole.
    let path: String
    private let source: FileOutputStore
    private let copy: FileOutputStore
    private let done = Mutex<(names: Set<String>, bytes: Int, isNamed: Bool)>(([], 0, false))

    /// - Throws: `conflict` where the file of the metastore's copy or the directory is there already, `notFound` where there
    ///   is no place for them.
    init(of outputs: String, besides backup: String) throws {
        let place = backup.hasPrefix("/") ? backup : FileManager.default.currentDirectoryPath + "/" + backup
        path = place + ".outputs"
        source = FileOutputStore(directory: outputs)
        copy = FileOutputStore(directory: path + ".partial")
        for taken in [backup, path] where FileManager.default.fileExists(atPath: taken) {
            throw PerchError(.conflict, "\(taken) is there already: name another file")
        }
        let folder = place.lastIndex(of: "/").map { String(place[..<$0]) } ?? ""
        guard folder.isEmpty || FileManager.default.fileExists(atPath: folder) else {
            throw PerchError(.notFound, "there is no directory \(folder): make it, or name another file")
        }
        // Of a copy that broke off.
        try takeBack()
    }

    var count: Int { done.withLock { $0.names.count } }
    var bytes: Int { done.withLock { $0.bytes } }

    /// Copies what is not copied yet.
    func proceed() throws {
        for name in try Self.names(in: source.directory) where !done.withLock({ $0.names.contains(name) }) {
            let attributes: [FileAttributeKey: Any]
            do {
                attributes = try FileManager.default.attributesOfItem(atPath: "\(source.directory)/\(name)")
            } catch CocoaError.fileReadNoSuchFile, CocoaError.fileNoSuchFile {
                // Swept since it was listed: no row that will be copied refers to it.
                continue
            }
            let size = (attributes[.size] as? NSNumber)?.intValue ?? 0
            let bytes = try source.read(name, from: 0, count: size)
            guard bytes.count == size else {
                throw PerchError(.unavailable, "\(source.directory)/\(name) has changed while it was copied: try again")
            }
            try copy.write(bytes, as: name)
            done.withLock { done in
                done.names.insert(name)
                done.bytes += size
            }
        }
    }

    /// Gives the copy its name, where there is anything in it.
    func finish() throws {
        guard count > 0 else { return }
        try FileManager.default.moveItem(atPath: copy.directory, toPath: path)
        done.withLock { $0.isNamed = true }
    }

    /// Removes what was copied: the metastore was not.
    func takeBack() throws {
        let directory = done.withLock { $0.isNamed } ? path : copy.directory
        guard FileManager.default.fileExists(atPath: directory) else { return }
        try FileManager.default.removeItem(atPath: directory)
    }

    /// The files with outputs under a directory, in the order of their names; not those that are being written.
    private static func names(in directory: String) throws -> [String] {
        var found: [String] = []
        var folders = [""]
        while let folder = folders.popLast() {
            let entries: [String]
            do {
                entries = try FileManager.default.contentsOfDirectory(atPath: directory + "/" + folder)
            } catch CocoaError.fileReadNoSuchFile, CocoaError.fileNoSuchFile {
                // There are no long outputs, or a run's were swept.
                continue
            }
            for entry in entries {
                let name = folder.isEmpty ? entry : "\(folder)/\(entry)"
                guard OutputPath.isRight(name) else { continue }
                if entry.hasSuffix(".json") {
                    found.append(name)
                } else if !entry.hasSuffix(".part") {
                    folders.append(name)
                }
            }
        }
        return found.sorted()
    }
}
