// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc
internal import PerchMetastore
internal import PerchSDK

/// The versions of a home's bundle that were deployed.
///
/// Each is a directory with a number, that never changes: what was deployed, and a link `run` to the executable in it.
/// The link `current` names the one in use, and is replaced in one step.
struct DeployedBundle: Sendable {
    /// One version.
    struct Version {
        var number: Int
        /// The executable, as a path in what was deployed.
        var executable: String
        /// What the bundle says of itself.
        var bundleVersion: String
        var deployedAt: Timestamp
        var by: String
    }

    let directory: String

    /// Of a bundle of a home.
    init(_ home: Home, bundle: String = WorkerTerms.defaultBundle) {
        directory = bundle == WorkerTerms.defaultBundle ? home.paths.bundle : "\(home.paths.bundles)/\(bundle)"
    }

    /// Versions in another directory.
    init(directory: String) { self.directory = directory }

    private var link: String { directory + "/current" }
    private func place(_ number: Int) -> String { "\(directory)/\(number)" }

    /// The number in use; nil where nothing was deployed.
    var current: Int? { Self.target(of: link).flatMap { Int($0) } }

    /// Where the executable in use would be, where nothing is deployed any more.
    var missing: String { link + "/run" }

    /// The executable in use, by a path that means this version whatever is deployed later; nil where there is none.
    var executable: String? {
        guard let current, let file = Self.target(of: place(current) + "/run") else { return nil }
        return "\(place(current))/\(file)"
    }

    /// The executable of a version by what the bundle calls it, the newest of several; nil where it is not kept, or damaged.
    func executable(of bundleVersion: String) -> String? {
        let numbers: [Int]
        do {
            numbers = try self.numbers()
        } catch {
            // Whoever asks is told that it is not there; `bundles versions` says what is wrong.
            return nil
        }
        for number in numbers.sorted(by: >) {
            do {
                guard try version(number).bundleVersion == bundleVersion else { continue }
            } catch {
                // That one is damaged, as `bundles versions` says; it hides no other.
                continue
            }
            guard let file = Self.target(of: place(number) + "/run") else { continue }
            return "\(place(number))/\(file)"
        }
        return nil
    }

    /// Those that are kept, the newest first.
    func versions() throws -> [Version] {
        try numbers().sorted(by: >).map(version)
    }

    /// One that is kept.
    /// - Throws: `PerchError` that says how it is damaged.
    private func version(_ number: Int) throws -> Version {
        let path = place(number) + "/version.json"
        guard let text = try TextFile.readIfPresent(path) else {
            throw PerchError(.notFound, "\(path) is missing: the version \(number) is damaged; deploy it again")
        }
        let fields = try JSONValue(parsing: text)
        func damage(_ name: String) -> PerchError {
            PerchError(.invalid, "\(path) has no '\(name)': the version \(number) is damaged; deploy it again")
        }
        func member(_ name: String) throws -> String {
            guard case .string(let member)? = fields[name] else { throw damage(name) }
            return member
        }
        guard case .integer(let time)? = fields["deployed_at"] else { throw damage("deployed_at") }
        return Version(
            number: number, executable: try member("executable"), bundleVersion: try member("bundle_version"),
            deployedAt: Timestamp(microseconds: time), by: try member("by"))
    }

    private func numbers() throws -> [Int] {
        guard FileManager.default.fileExists(atPath: directory) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: directory).compactMap { Int($0) }.filter { $0 > 0 }
    }

    // MARK: Changes

    /// Puts a copy beside the versions that there are. Nothing uses it yet.
    ///
    /// - Parameters:
    ///   - source: A file, or a directory.
    ///   - name: The executable in a directory.
    /// - Returns: The copy, for whoever wants to try it before it is `added`.
    func stage(_ source: String, executable name: String?) throws -> (path: String, executable: BundleExecutable) {
        let source = try Home.absolute(source)
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: source, isDirectory: &isDirectory) else {
            throw PerchError(.notFound, "there is no file or directory \(source.shown(200)) to deploy")
        }
        let file: String
        if isDirectory.boolValue {
            file = name ?? "bundle"
            guard !file.hasPrefix("/"), !file.split(separator: "/").contains("..") else {
                throw PerchError(.invalid, "--executable is '\(file.shown())'; it is a path within the directory")
            }
            _ = try BundleExecutable("\(source)/\(file)")
        } else {
            guard name == nil else {
                throw PerchError(
                    .invalid, "--executable names a file in a directory, and \(source.shown(200)) is a file")
            }
            _ = try BundleExecutable(source)
            file = String(source[source.index(after: source.lastIndex(of: "/") ?? source.startIndex)...])
        }
        try removeAbandoned()
        let staged = Self.staged(by: getpid(), in: directory)
        let files = isDirectory.boolValue ? "\(staged)/files" : "\(staged)/files/\(file)"
        do {
            if FileManager.default.fileExists(atPath: staged) { try FileManager.default.removeItem(atPath: staged) }
            try FileManager.default.createDirectory(
                atPath: isDirectory.boolValue ? staged : "\(staged)/files", withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
            try FileManager.default.copyItem(atPath: source, toPath: files)
            try FileManager.default.createSymbolicLink(atPath: "\(staged)/run", withDestinationPath: "files/\(file)")
        } catch {
            throw PerchError(.unavailable, "\(source.shown(200)) cannot be copied into \(directory)", cause: error)
        }
        return (staged, try BundleExecutable("\(staged)/files/\(file)"))
    }

    private static func staged(by pid: Int32, in directory: String) -> String { "\(directory)/.staged-\(pid)" }

    /// Removes copies whose commands died before they had made versions of them.
    private func removeAbandoned() throws {
        guard FileManager.default.fileExists(atPath: directory) else { return }
        for name in try FileManager.default.contentsOfDirectory(atPath: directory).sorted() {
            guard name.hasPrefix(".staged-"), let pid = Int32(name.dropFirst(".staged-".count)), pid > 0 else {
                continue
            }
            guard kill(pid, 0) != 0, errno == ESRCH else { continue }
            try FileManager.default.removeItem(atPath: Self.staged(by: pid, in: directory))
        }
    }

    /// Takes a copy back that is not to be used.
    func takeBack(_ staged: String) {
        try? FileManager.default.removeItem(atPath: staged)  // because the next deploy removes what is left
    }

    /// Makes a copy the newest version, durably. It is not used yet.
    func add(_ staged: String, bundleVersion: String, now: Timestamp) throws -> Int {
        guard let target = Self.target(of: staged + "/run") else { throw TextFile.fault("read", staged + "/run") }
        let file = String(target.dropFirst("files/".count))
        let record = JSONValue.object([
            "executable": .string(file), "bundle_version": .string(bundleVersion),
            "deployed_at": .integer(now.microseconds), "by": .string(Person.name),
        ])
        try TextFile.create(staged + "/version.json", record.text + "\n")
        for path in try FileManager.default.subpathsOfDirectory(atPath: staged).sorted() {
            try Self.flush("\(staged)/\(path)")
        }
        try Self.flush(staged)
        // Others may deploy at this moment, too.
        for _ in 0..<100 {
            let number = (try numbers().max() ?? 0) + 1
            if rename(staged, place(number)) == 0 {
                try Self.flush(directory)
                return number
            }
            guard errno == EEXIST || errno == ENOTEMPTY else { throw TextFile.fault("make", place(number)) }
        }
        throw PerchError(.conflict, "others deploy to \(directory) all the time; try again")
    }

    /// Makes a version the one in use, in one step.
    func use(_ number: Int) throws {
        let known = try numbers().sorted()
        guard known.contains(number) else {
            throw PerchError(
                .notFound,
                known.isEmpty
                    ? "nothing was deployed to this home"
                    : "there is no version \(number); there are \(known.map(String.init).joined(separator: ", "))")
        }
        let next = "\(directory)/.current-\(getpid())"
        unlink(next)
        guard symlink("\(number)", next) == 0 else { throw TextFile.fault("make", next) }
        guard rename(next, link) == 0 else { throw TextFile.fault("replace", link) }
        try Self.flush(directory)
    }

    /// Uses none, in one step. What there is stays.
    func useNone() throws {
        guard unlink(link) == 0 || errno == ENOENT else { throw TextFile.fault("remove", link) }
    }

    /// Removes all but the newest ones, the one in use, and those that runs go on with. Gives how many went.
    ///
    /// - Parameter needed: Versions by what the bundle calls them.
    func prune(keeping count: Int, needed: Set<String>) throws -> Int {
        let current = current
        let known = needed.isEmpty ? [] : try versions().filter { needed.contains($0.bundleVersion) }.map(\.number)
        let old = try numbers().sorted(by: >).dropFirst(count).filter { $0 != current && !known.contains($0) }
        for number in old { try FileManager.default.removeItem(atPath: place(number)) }
        return old.count
    }

    /// Where a link leads; nil where there is none.
    private static func target(of link: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = readlink(link, &buffer, buffer.count - 1)
        return count > 0 ? String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }

    /// Returns when a file, or what stands in a directory, survives a loss of power. A link goes with its directory.
    private static func flush(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        if descriptor < 0, errno == ELOOP { return }
        guard descriptor >= 0 else { throw TextFile.fault("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw TextFile.fault("flush", path) }
    }
}
