import { Icon } from '../../ui/icon.js';

/** A line that filters what shows; the key `/` leads to it. */
export function Filter({ value, onChange, label = 'Filter' }: { value: string; onChange: (value: string) => void; label?: string }) {
  return (
    <div className="filter">
      <Icon name="search" />
      <input
        className="input"
        type="search"
        data-filter=""
        aria-label={label}
        placeholder={label}
        autoComplete="off"
        spellCheck={false}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') {
            onChange('');
            event.currentTarget.blur();
          }
        }}
      />
    </div>
  );
}
