// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// The texts of the files that declare DAGs, as far as they can be had.
enum SourceFiles {
    /// The texts of the files that declare some DAGs, each once, in the order of the DAGs.
    ///
    /// A file of Swift is read where it was compiled. One that has changed since the executable was built is left out: what runs
    /// is not what it says.
    static func sources(of dags: [DAG]) -> [BundleSource] {
        var order: [Key] = []
        var found: [Key: BundleSource] = [:]
        var absent: Set<Key> = []
        for dag in dags {
            guard let source = dag.source else { continue }
            let key = Key(source)
            if found[key] == nil, !absent.contains(key) {
                if let read = read(source) {
                    order.append(key)
                    found[key] = read
                } else {
                    absent.insert(key)
                }
            }
            found[key]?.dagIDs.append(dag.definition.dagID)
        }
        return order.compactMap { found[$0] }
    }

    private enum Key: Hashable {
        case swift(String)
        case folder(String)

        init(_ source: DAGSource) {
            switch source {
            case .file(let path): self = .swift(path)
            case .text(_, let file): self = .folder(file)
            }
        }
    }

    private static func read(_ source: DAGSource) -> BundleSource? {
        switch source {
        case .text(let text, let file): return BundleSource(path: file, text: text, dagIDs: []).bounded
        case .file(let path):
            guard path.hasPrefix("/"), let text = text(at: path) else { return nil }
            return BundleSource(path: inPackage(path), text: text, dagIDs: []).bounded
        }
    }

    /// The text of a file that is as it was when the executable was built; nil where there is none.
    private static func text(at path: String) -> String? {
        var executable = stat()
        guard stat("/proc/self/exe", &executable) == 0 else { return nil }
        // What is no file by now (a pipe) must not hold up the reader.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
                <= (executable.st_mtim.tv_sec, executable.st_mtim.tv_nsec)
        else { return nil }
        // Somewhat more than is kept, so that it is seen that there is more.
        let most = BundleSource.longest + (64 << 10)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count < most {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        // The end may be in the middle of a character.
        return bytes.count < most
            ? String(validating: bytes, as: UTF8.self) : String(decoding: bytes, as: UTF8.self)
    }

    /// A path as it is in its package: behind the nearest folder with a `Package.swift`. Without one, the name of the file.
    private static func inPackage(_ path: String) -> String {
        let parts = path.split(separator: "/")
        for count in stride(from: parts.count - 1, to: 0, by: -1) {
            let folder = "/" + parts.prefix(count).joined(separator: "/")
            if access("\(folder)/Package.swift", F_OK) == 0 { return parts.dropFirst(count).joined(separator: "/") }
        }
        return String(parts.last ?? "")
    }
}
