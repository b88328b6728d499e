// SPDX-License-Identifier: Apache-2.0

internal import PerchExecutor
internal import PerchSDK

extension DeployedBundle {
    /// Copies an executable, tries its hello and its DAGs, and puts it into use in one step.
    ///
    /// - Parameters:
    ///   - path: A file, or a directory.
    ///   - name: The executable in a directory.
    ///   - conditions: Under which the engine starts it.
    ///   - count: How many versions are kept, beside the one in use.
    ///   - needed: Versions that are kept beyond that, by what the bundle calls them.
    /// - Returns: The number of the new version, and how many older ones are gone.
    /// - Throws: `PerchError`: `invalid` where it is no bundle. Nothing has changed then.
    func deploy(
        _ path: String, executable name: String?, under conditions: BundleConditions, keeping count: Int,
        needed: Set<String> = []
    ) throws -> (number: Int, removed: Int) {
        let staged = try stage(path, executable: name)
        let number: Int
        do {
            var checks = BundleChecks(
                staged.executable, patience: .seconds(30), clock: SystemClock(), conditions: conditions)
            let said = try checks.runFirst()
            number = try add(staged.path, bundleVersion: said, now: SystemClock().now)
        } catch {
            takeBack(staged.path)
            guard let fault = error as? BundleFault else { throw error }
            throw PerchError(
                .invalid, "\(path.shown(200)) is not deployed: it \(fault.words); `bundles check` tries all of it")
        }
        try use(number)
        return (number, try prune(keeping: count, needed: needed))
    }
}
