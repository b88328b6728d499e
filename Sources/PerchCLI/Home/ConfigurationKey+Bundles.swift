// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Settings of one bundle among several: `bundles.NAME.KEY` says of one what `bundle.KEY` says of the default one.
extension ConfigurationKey {
    /// The section in which each bundle has one of its own.
    static let bundlesSection = "bundles"
    /// What is each bundle's own: what the default one has of these is not for others.
    static let ownOfBundle: Set<String> = ["executable", "environment", "working_directory"]

    /// The setting of a name; those of single bundles are made when they are asked for.
    static func named(_ name: String) -> ConfigurationKey? {
        if let key = all.first(where: { $0.name == name }) { return key }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, parts[0] == bundlesSection, BundlePlace.problem(ofOther: parts[1]) == nil else {
            return nil
        }
        // How many tasks of it run at once.
        let standard = parts[2] == "slots" ? "core.parallelism" : "bundle.\(parts[2])"
        guard let key = all.first(where: { $0.name == standard }) else { return nil }
        return ConfigurationKey(
            name: name, kind: key.kind, fallback: nil, summary: "of the bundle \(parts[1]): \(key.summary)")
    }

    /// The setting that an environment variable sets.
    static func of(variable: String) -> ConfigurationKey? {
        if let key = all.first(where: { $0.variable == variable }) { return key }
        let prefix = "PERCH__"
        guard variable.hasPrefix(prefix), variable.utf8.count < 200 else { return nil }
        let key = named(variable.dropFirst(prefix.count).split(separator: "__").joined(separator: ".").lowercased())
        return key?.variable == variable ? key : nil
    }
}

extension Configuration {
    /// The bundles that have settings of their own, by name.
    var bundleNames: [String] {
        let names = entries.compactMap { entry -> String? in
            let parts = entry.key.name.split(separator: ".")
            return parts.count == 3 && parts[0] == ConfigurationKey.bundlesSection ? String(parts[1]) : nil
        }
        return Set(names).sorted()
    }

    /// The settings as they hold for one bundle besides the default one: what stands under `bundles.NAME` goes before what
    /// stands under `bundle`, as far as that is for all of them.
    func of(bundle name: String) -> Configuration {
        let own = Dictionary(entries.map { ($0.key.name, $0) }, uniquingKeysWith: { $1 })
        func key(of standard: String) -> String? {
            if standard == "core.parallelism" { return "slots" }
            return standard.hasPrefix("bundle.") ? String(standard.dropFirst("bundle.".count)) : nil
        }
        return Configuration(
            entries: entries.map { entry in
                guard let key = key(of: entry.key.name) else { return entry }
                if let other = own["\(ConfigurationKey.bundlesSection).\(name).\(key)"] {
                    return Entry(key: entry.key, value: other.value, origin: other.origin)
                }
                guard ConfigurationKey.ownOfBundle.contains(key) else { return entry }
                return Entry(key: entry.key, value: entry.key.fallback, origin: "default")
            })
    }
}
