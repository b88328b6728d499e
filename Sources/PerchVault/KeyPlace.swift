// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import PerchSDK

/// Where the keys of a home are: given, or in a file. A file is read whenever a key is needed, so that a rotation needs no
/// restart, and made the first time that something has to be sealed.
package struct KeyPlace: Sendable {
    private let given: KeyRing?
    private let path: String

    /// The place of the keys.
    ///
    /// - Parameters:
    ///   - text: The keys themselves, from the environment; nil: they are in the file.
    ///   - path: The file.
    /// - Throws: `PerchError` (`invalid`) where what is given is no key.
    package init(given text: String?, path: String) throws(PerchError) {
        given = try text.map { (text) throws(PerchError) in
            try KeyRing(parsing: text, of: "secrets.key (PERCH__SECRETS__KEY)")
        }
        self.path = path
    }

    /// Whether the keys are in a file, which is this one.
    package var file: String? { given == nil ? path : nil }

    /// The keys, for opening.
    /// - Throws: `PerchError`: `unavailable` where there is no file or others may read it, `invalid` where it holds no key.
    package func ring() throws(PerchError) -> KeyRing {
        if let given { return given }
        guard let ring = try read() else {
            throw PerchError(
                .unavailable,
                "there is no key: neither secrets.key (PERCH__SECRETS__KEY) is set, nor is there a file \(path)")
        }
        return ring
    }

    /// The keys, for sealing: where there is no file, it is made with a new key in it.
    package func ringForSealing() throws(PerchError) -> KeyRing {
        if let given { return given }
        if let ring = try read() { return ring }
        try make(KeyRing.newKey() + "\n", replacing: false)
        return try ring()
    }

    /// Puts a new key in front of the others in the file, so that it seals from now on. Gives its id.
    /// - Throws: `PerchError` (`conflict`) where the keys come from the environment.
    package func addKey() throws(PerchError) -> String {
        guard given == nil else {
            throw PerchError(
                .conflict,
                "the keys come from PERCH__SECRETS__KEY: put a key of `secrets generate-key` in front of it, with a comma"
            )
        }
        let key = KeyRing.newKey()
        let old = try PrivateFile.readIfPresent(path, "the key file", groupMayRead: false)
        try make(key + "\n" + (old ?? ""), replacing: old != nil)
        return try ring().keyID
    }

    private func read() throws(PerchError) -> KeyRing? {
        guard let text = try PrivateFile.readIfPresent(path, "the key file", groupMayRead: false) else { return nil }
        return try KeyRing(parsing: text, of: path)
    }

    /// The file comes whole or not at all, and nobody else can read it at any moment.
    private func make(_ text: String, replacing: Bool) throws(PerchError) {
        let partial = "\(path).\(getpid())-\(UInt32.random(in: .min ... .max)).partial"
        try PrivateFile.create(partial, text)
        defer { unlink(partial) }
        if replacing {
            guard rename(partial, path) == 0 else { throw PrivateFile.fault("replace", path) }
        } else if link(partial, path) != 0, errno != EEXIST {
            throw PrivateFile.fault("make", path)
        }
        PrivateFile.syncDirectory(of: path)
    }
}
